#include "common/key_name.h"

#define ESCAPE '~'

static bool
stays(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
	    c == ':';
}

static bool
all_stay(struct slice name)
{
	size_t i;

	for (i = 0; i < name.n; i++)
		if (!stays(name.p[i]))
			return false;
	return true;
}

static struct slice
escape(struct slice name, char buf[KEY_NAME_SIZE])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i, n = 0;

	for (i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c == '\0' || c == '/' ||
		    n + (stays(name.p[i]) ? 1 : 3) > KEY_NAME_MAX)
			return SLICE_NONE;
		if (stays(name.p[i])) {
			buf[n++] = name.p[i];
			continue;
		}
		buf[n++] = ESCAPE;
		buf[n++] = hex[c >> 4];
		buf[n++] = hex[c & 0x0f];
	}
	buf[n] = '\0';
	return (struct slice){ buf, n };
}

struct slice
key_name_make(struct slice name, char buf[KEY_NAME_SIZE])
{
	if (name.n == 0 || name.n > KEY_NAME_MAX)
		return SLICE_NONE;
	return all_stay(name) ? name : escape(name, buf);
}

static unsigned
digit(char c)
{
	return c >= 'A' ? (unsigned)(c - 'A') + 10 : (unsigned)(c - '0');
}

void
key_name_show(struct buf *b, struct slice key)
{
	char plain[KEY_NAME_MAX];
	size_t i, n = 0;

	for (i = 0; i < key.n && n < sizeof(plain); i++) {
		if (key.p[i] == ESCAPE && i + 2 < key.n) {
			plain[n++] = (char)(digit(key.p[i + 1]) << 4 |
			    digit(key.p[i + 2]));
			i += 2;
		} else {
			plain[n++] = key.p[i];
		}
	}
	buf_json_text(b, plain, n);
}
