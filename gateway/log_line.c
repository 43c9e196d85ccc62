#include "gateway/log_line.h"

#include "common/utf8.h"

#define ESCAPED_MAX 6u   /* \uXXXX */

bool
log_line_next(struct slice *rest, struct slice *ret)
{
	size_t n = 0, end;

	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r')
		n++;
	end = n;
	if (end + 1 < rest->n && rest->p[end] == '\r' &&
	    rest->p[end + 1] == '\n')
		end++;
	if (end < rest->n)
		end++;
	*ret = (struct slice){ rest->p, n };
	*rest = (struct slice){ rest->p + end, rest->n - end };
	return true;
}

/* Bytes of the character there inside a JSON string; never too few. */
static size_t
escaped(const char *p, size_t length)
{
	if (length == 0 || utf8_control(p, length))
		return ESCAPED_MAX;
	if (length == 1)
		return *p == '"' || *p == '\\' ? 2 : 1;
	/* U+2028 and U+2029. */
	if (length == 3 && p[0] == '\xe2' && p[1] == '\x80' &&
	    (p[2] == '\xa8' || p[2] == '\xa9'))
		return ESCAPED_MAX;
	return length;
}

size_t
log_line_piece(struct slice text, size_t max, size_t room)
{
	size_t at = 0, used = 0, length, bytes, need;

	/* Most lines are short, and nothing grows to more than this. */
	if (text.n <= max && text.n <= room / ESCAPED_MAX)
		return text.n;
	while (at < text.n) {
		length = utf8_length(text.p + at, text.n - at);
		bytes = length == 0 ? 1 : length;
		need = escaped(text.p + at, length);
		if (at > 0 && (at + bytes > max || used + need > room))
			break;
		at += bytes;
		used += need;
	}
	return at;
}

size_t
log_line_piece_base64(struct slice bytes, size_t max, size_t room)
{
	size_t n = room / 4 * 3;

	if (n > max)
		n = max;
	if (bytes.n <= n)
		return bytes.n;
	n -= n % 3;
	return n > 0 ? n : 3;
}
