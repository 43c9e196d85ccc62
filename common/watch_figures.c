#include "common/watch_figures.h"

#include <inttypes.h>
#include <string.h>

#include "common/xmalloc.h"

char *
watch_figures_directory(const struct conf *conf)
{
	return xasprintf("%s/figures", conf->runtime_directory);
}

void
watch_figures_add(struct buf *b, const struct watch_figures *f)
{
	buf_adds(b, f->kind);
	for (unsigned i = 0; i < FIGURE_MAX; i++)
		buf_addf(b, " %" PRIu64, f->value[i]);
	buf_addc(b, '\n');
}

/* --- reading -------------------------------------------------------------- */

/* Cuts what stands before the byte `end` off *text. */
static bool
take(struct slice *text, char end, struct slice *ret)
{
	const char *p = text->n > 0 ? memchr(text->p, end, text->n) : NULL;

	if (p == NULL)
		return false;
	*ret = (struct slice){ text->p, (size_t)(p - text->p) };
	text->n -= ret->n + 1;
	text->p = p + 1;
	return true;
}

static bool
number(struct slice digits, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < digits.n; i++)
		if (digits.p[i] < '0' || digits.p[i] > '9' ||
		    CKD_MUL(&v, v, UINT64_C(10)) ||
		    CKD_ADD(&v, v, (uint64_t)(digits.p[i] - '0')))
			return false;
	*ret = v;
	return digits.n > 0;
}

/* Of a kind's name: it becomes the value of a label. */
static bool
name(struct slice text, char *ret)
{
	for (size_t i = 0; i < text.n; i++)
		if ((text.p[i] < 'a' || text.p[i] > 'z') &&
		    (text.p[i] < '0' || text.p[i] > '9') &&
		    text.p[i] != '.' && text.p[i] != '-')
			return false;
	if (text.n == 0 || text.n > WATCH_FIGURES_KIND_MAX)
		return false;
	memcpy(ret, text.p, text.n);
	ret[text.n] = '\0';
	return true;
}

bool
watch_figures_next(struct slice *text, struct watch_figures *ret)
{
	struct watch_figures f = { .kind = "" };
	struct slice line, part;

	if (!take(text, '\n', &line) || !take(&line, ' ', &part) ||
	    !name(part, f.kind))
		return false;
	for (unsigned i = 0; i + 1 < FIGURE_MAX; i++)
		if (!take(&line, ' ', &part) || !number(part, &f.value[i]))
			return false;
	if (!number(line, &f.value[FIGURE_MAX - 1]))
		return false;
	*ret = f;
	return true;
}
