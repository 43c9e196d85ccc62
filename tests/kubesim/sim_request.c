#include "tests/kubesim/sim_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_http.h"

void
sim_request_clear(struct sim_request *r)
{
	for (size_t i = 0; i < r->n_params; i++) {
		free(r->param[i].name);
		free(r->param[i].value);
	}
	free(r->method);
	free(r->target);
	free(r->path);
	free(r->authorization);
	free(r->accept);
	free(r->accept_encoding);
	free(r->user_agent);
	free(r->content_type);
	free(r->body);
	memset(r, 0, sizeof(*r));
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *
url_decode(const char *p, size_t n, bool query)
{
	char *out = xmalloc(n + 1), *o = out;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '%' && i + 2 < n && hex_value(p[i + 1]) >= 0 &&
		    hex_value(p[i + 2]) >= 0) {
			*o++ = (char)(hex_value(p[i + 1]) * 16 +
			    hex_value(p[i + 2]));
			i += 2;
		} else {
			*o++ = query && p[i] == '+' ? ' ' : p[i];
		}
	}
	*o = '\0';
	return out;
}

static void
parse_query(struct sim_request *r, const char *query)
{
	const char *end, *equal;

	while (*query != '\0' && r->n_params < SIM_PARAMS_MAX) {
		end = query + strcspn(query, "&");
		equal = memchr(query, '=', (size_t)(end - query));
		r->param[r->n_params].name = url_decode(query,
		    (size_t)((equal != NULL ? equal : end) - query), true);
		r->param[r->n_params].value = equal == NULL ? xstrdup("") :
		    url_decode(equal + 1, (size_t)(end - equal - 1), true);
		r->n_params++;
		query = *end == '&' ? end + 1 : end;
	}
}

static void
take_header(struct sim_request *r, char *line, struct sim_framing *framing)
{
	char *value = strchr(line, ':');
	uint64_t length;

	if (value == NULL)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(line, "Authorization") == 0) {
		free(r->authorization);
		r->authorization = xstrdup(value);
	} else if (strcasecmp(line, "Accept") == 0) {
		free(r->accept);
		r->accept = xstrdup(value);
	} else if (strcasecmp(line, "Accept-Encoding") == 0) {
		free(r->accept_encoding);
		r->accept_encoding = xstrdup(value);
	} else if (strcasecmp(line, "User-Agent") == 0) {
		free(r->user_agent);
		r->user_agent = xstrdup(value);
	} else if (strcasecmp(line, "Content-Type") == 0) {
		free(r->content_type);
		r->content_type = xstrdup(value);
	} else if (strcasecmp(line, "Content-Length") == 0) {
		framing->length = sim_http_number(value, &length) &&
		    length <= SIM_BODY_MAX ? (int64_t)length : -1;
	} else if (strcasecmp(line, "Connection") == 0) {
		framing->close = strcasecmp(value, "close") == 0;
	} else if (strcasecmp(line, "Transfer-Encoding") == 0) {
		framing->chunked = true;
	}
}

int
sim_request_parse(struct sim_request *r, char *head, struct sim_framing *ret)
{
	char *line, *next = head, *space, *query;

	*ret = (struct sim_framing){ 0 };
	line = strsep(&next, "\n");
	space = strchr(line, ' ');
	if (space == NULL)
		return -1;
	r->method = xstrndup(line, (size_t)(space - line));
	line = space + 1;
	space = strchr(line, ' ');
	if (space == NULL || line[0] != '/')
		return -1;
	r->target = xstrndup(line, (size_t)(space - line));
	if (strncmp(space + 1, "HTTP/1.0", 8) == 0)
		ret->close = true;
	query = strchr(r->target, '?');
	r->path = url_decode(r->target, query != NULL ?
	    (size_t)(query - r->target) : strlen(r->target), false);
	if (query != NULL)
		parse_query(r, query + 1);
	r->authorization = xstrdup("");
	r->accept = xstrdup("");
	r->accept_encoding = xstrdup("");
	r->user_agent = xstrdup("");
	r->content_type = xstrdup("");
	while ((line = strsep(&next, "\n")) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		take_header(r, line, ret);
	}
	return 0;
}

const char *
sim_request_param(const struct sim_request *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (strcmp(r->param[i].name, name) == 0)
			return r->param[i].value;
	return NULL;
}
