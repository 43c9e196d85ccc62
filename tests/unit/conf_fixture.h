/*
 * What the configuration's unit tests share: a file's text read, and a
 * configuration printed.
 */
#ifndef SLUICE_CONF_FIXTURE_H
#define SLUICE_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf_table.h"
#include "common/xmalloc.h"

/* Parses; problems in *ret_text (to be freed), their number as result. */
static UNUSED int
parse(struct conf *conf, const char *text, char **ret_text)
{
	size_t n = 0;
	FILE *f = open_memstream(ret_text, &n);
	int count = conf_parse(conf, text, strlen(text), "f.yaml", f);

	(void)fclose(f);
	return count;
}

/* One problem, and this one. */
static UNUSED void
expect(const char *text, const char *problem)
{
	struct conf conf;
	char *said = NULL;
	int count = parse(&conf, text, &said);

	if (count != 1 || strstr(said, problem) == NULL)
		fail_msg("%s: %d problems, \"%s\"; want \"%s\"", text, count,
		    said, problem);
	free(said);
	conf_free(&conf);
}

static UNUSED char *
print(const struct conf *conf)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	conf_print(conf, f);
	(void)fclose(f);
	return text;
}

#endif
