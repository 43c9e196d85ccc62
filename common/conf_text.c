/* Values that are words of somebody else's: an issuer, the name of a cookie. */
#include "common/conf_value.h"

#include <string.h>

#include "common/utf8.h"
#include "common/xmalloc.h"

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* RFC 9110 5.6.2: what the name of a cookie is made of. */
static bool
is_token(const char *text)
{
	return strspn(text, "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
	    strlen(text);
}

/* The text, none too; NULL after it was reported. */
static const char *
take(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v, "a text, or none");

	if (text == NULL)
		return NULL;
	if (text[0] == '\0' || strlen(text) > (size_t)v->key->max) {
		(void)conf_value_wrong(v, "must have 1 to %d bytes; write a "
		    "shorter one, or none", (int)v->key->max);
		return NULL;
	}
	if (has_control(text) || !utf8_valid(text, strlen(text))) {
		(void)conf_value_wrong(v, "holds a control character, or is "
		    "no UTF-8; write plain text");
		return NULL;
	}
	return text;
}

static int
put(const struct conf_value *v, const char *text)
{
	bool none = conf_word_index(v->key->words, text) >= 0;

	conf_value_set_string(v, v->key->off, none ? NULL : xstrdup(text));
	return 0;
}

int
conf_read_text(const struct conf_value *v)
{
	const char *text = take(v);

	return text == NULL ? -1 : put(v, text);
}

int
conf_read_token(const struct conf_value *v)
{
	const char *text = take(v);

	if (text == NULL)
		return -1;
	if (!is_token(text))
		return conf_value_wrong(v, "\"%s\" is no name of a cookie; "
		    "write letters, digits, - and _, as in __Host-sluice",
		    text);
	return put(v, text);
}
