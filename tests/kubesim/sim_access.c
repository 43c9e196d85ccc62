#include "tests/kubesim/sim_access.h"

#include <string.h>

#include "common/macros.h"

static const char *const members[] = { "verbs", "resources", "namespaces" };

void
sim_access_clear(struct sim_access *a)
{
	json_decref(a->doc);
	a->doc = NULL;
}

static bool
is_effect(json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && (strcmp(text, "allow") == 0 ||
	    strcmp(text, "deny") == 0);
}

static int
check_rule(json_t *rule, struct err *err)
{
	json_t *list, *item;
	size_t j;

	if (!is_effect(json_object_get(rule, "effect")))
		return err_set(err, "access: a rule's effect is allow or "
		    "deny");
	for (size_t i = 0; i < NELEM(members); i++) {
		list = json_object_get(rule, members[i]);
		if (list == NULL)
			continue;
		if (!json_is_array(list))
			return err_set(err, "access: %s is a list",
			    members[i]);
		json_array_foreach(list, j, item)
			if (!json_is_string(item))
				return err_set(err, "access: %s is a list of "
				    "words", members[i]);
	}
	return 0;
}

int
sim_access_set(struct sim_access *a, json_t *doc, struct err *err)
{
	json_t *rules = json_object_get(doc, "rules"), *rule;
	json_t *initial = json_object_get(doc, "default");
	size_t i;

	if (!json_is_object(doc) || (initial != NULL && !is_effect(initial)))
		return err_set(err, "access: an object with default (allow or "
		    "deny) and rules was expected");
	if (rules != NULL && (!json_is_array(rules) ||
	    json_array_size(rules) > SIM_ACCESS_RULES_MAX))
		return err_set(err, "access: rules is a list of at most %d",
		    SIM_ACCESS_RULES_MAX);
	json_array_foreach(rules, i, rule)
		if (check_rule(rule, err) != 0)
			return -1;
	sim_access_clear(a);
	a->doc = json_incref(doc);
	return 0;
}

json_t *
sim_access_show(const struct sim_access *a)
{
	return a->doc != NULL ? json_incref(a->doc) : json_object();
}

static bool
fits(json_t *rule, const char *member, const char *text)
{
	json_t *list = json_object_get(rule, member), *item;
	const char *word;
	size_t i;

	if (list == NULL)
		return true;
	json_array_foreach(list, i, item) {
		word = json_string_value(item);
		if (strcmp(word, "*") == 0 || strcmp(word, text) == 0)
			return true;
	}
	return false;
}

static bool
is_allow(json_t *effect)
{
	return strcmp(json_string_value(effect), "allow") == 0;
}

bool
sim_access_allows(const struct sim_access *a, const char *verb,
    const char *resource, const char *ns)
{
	json_t *initial = json_object_get(a->doc, "default"), *rule;
	size_t i;

	json_array_foreach(json_object_get(a->doc, "rules"), i, rule)
		if (fits(rule, "verbs", verb) &&
		    fits(rule, "resources", resource) &&
		    fits(rule, "namespaces", ns))
			return is_allow(json_object_get(rule, "effect"));
	return initial == NULL || is_allow(initial);
}
