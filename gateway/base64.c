#include "gateway/base64.h"

#include <string.h>

#include "gateway/b64url.h"

/* Both alphabets differ in their last two letters alone. */
static void
translate(char *p, size_t n, char plus, char slash, const char *to)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == plus)
			p[i] = to[0];
		else if (p[i] == slash)
			p[i] = to[1];
	}
}

bool
base64_decode(struct slice text, struct buf *b)
{
	struct buf url = BUF_EMPTY;
	bool ok;

	if (text.n % 4 != 0)
		return false;
	/* Those two are not of this alphabet, and would be of the other. */
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '-' || text.p[i] == '_')
			return false;
	if (text.n > 0 && text.p[text.n - 1] == '=')
		text.n -= text.p[text.n - 2] == '=' ? 2 : 1;
	buf_add(&url, text.p, text.n);
	if (text.n > 0)
		translate((char *)url.data, url.len, '+', '/', "-_");
	ok = b64url_decode((struct slice){ (const char *)url.data, url.len },
	    b);
	buf_free(&url);
	return ok;
}

void
base64_encode(struct buf *b, const void *bytes, size_t n)
{
	size_t begin = b->len;

	b64url_encode(b, bytes, n);
	if (b->len > begin)
		translate((char *)b->data + begin, b->len - begin, '-', '_',
		    "+/");
	while ((b->len - begin) % 4 != 0)
		buf_addc(b, '=');
}
