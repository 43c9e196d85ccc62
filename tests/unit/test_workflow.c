/* workflow: which nodes may stand for an object of a cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/key_name.h"
#include "common/macros.h"
#include "store/workflow.h"

#define ROLES "clusterroles.rbac.authorization.k8s.io"

/* By MongoDB's way and by the API's. */
static bool
admitted(const char *type, const char *name)
{
	json_t *node = workflow_node_make("n", type, name, "shop");
	json_t *problems = json_array(), *request;
	struct workflow w = { 0 };
	bool made = node != NULL;

	request = json_pack("{s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}", "id", "w",
	    "cluster", "prod", "nodes", "id", "n", "type", type, "name", name,
	    "namespace", "shop");
	assert_non_null(request);
	assert_int_equal(workflow_parse(request, &w, problems) == 0, made);
	if (made) {
		assert_string_equal(json_string_value(json_object_get(node,
		    "name")), name);
		workflow_clear(&w);
	}
	json_decref(node);
	json_decref(request);
	json_decref(problems);
	return made;
}

static void
test_a_node_may_have_every_name_the_api_server_admits(void **state)
{
	static const char *const names[] = { "web-0", "web.shop", "7",
		"system:node" };
	static const char *const unusual[] = { "a@b", "~", "-x", "_", "a b",
		"K\303\251", "\xE2\x82\xAC", "a~40b", "...", "{}\"\\" };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(names); i++) {
		assert_true(admitted("pod", names[i]));
		assert_true(admitted(ROLES, names[i]));
	}
	for (i = 0; i < NELEM(unusual); i++)
		assert_true(admitted(ROLES, unusual[i]));
}

static void
test_a_name_that_cannot_be_is_refused(void **state)
{
	static const char *const never[] = { "", "a/b", "../x", ".", "..",
		"50%", "a\nb", "a\177" };
	static const char *const not_of_pods[] = { "a@b", "-x", "a b", "~" };
	char text[KEY_NAME_MAX + 2] = "";
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(never); i++)
		if (admitted(ROLES, never[i]) || admitted("pod", never[i]))
			fail_msg("\"%s\" is no name", never[i]);
	for (i = 0; i < NELEM(not_of_pods); i++)
		assert_false(admitted("pod", not_of_pods[i]));
	memset(text, 'a', KEY_NAME_MAX);
	assert_true(admitted(ROLES, text));
	text[0] = '@';   /* in its key three bytes */
	assert_false(admitted(ROLES, text));
	text[0] = text[KEY_NAME_MAX] = 'a';
	assert_false(admitted(ROLES, text));
	assert_false(admitted("pod", text));
}

/* 500 nodes with four problems each: an answer tells so many, as any other. */
static void
test_no_more_problems_are_told_than_an_answer_has(void **state UNUSED)
{
	json_t *problems = json_array(), *nodes = json_array(), *request;
	struct workflow w = { 0 };

	for (size_t i = 0; i < WORKFLOW_NODES_MAX; i++)
		(void)json_array_append_new(nodes, json_object());
	request = json_pack("{s:s, s:s, s:o}", "id", "w", "cluster", "prod",
	    "nodes", nodes);
	assert_non_null(request);
	assert_int_equal(workflow_parse(request, &w, problems), -1);
	assert_int_equal(json_array_size(problems), WORKFLOW_PROBLEMS_MAX);
	json_decref(request);
	json_decref(problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_node_may_have_every_name_the_api_server_admits),
		cmocka_unit_test(
		    test_no_more_problems_are_told_than_an_answer_has),
		cmocka_unit_test(test_a_name_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("workflow", tests, NULL, NULL);
}
