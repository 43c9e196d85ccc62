/*
 * log_api: POST /api/v1/streams/{key}/logs. Process: gateway.
 *
 * The lines of a body (log_body) become events of the stream's log, all or
 * none, numbered by the server from the one after the last that the broker
 * has. X-Log-Offset says which number the first line must get; when it is
 * another's by now, 409 `log_offset` tells the next one and nothing was taken:
 * a publisher that never saw an answer repeats its request as it was. The
 * broker decides (log_lines), so it holds over gateways and their deaths. What
 * a gateway remembers is a guess that saves a question.
 *
 * Query: stream (stdout, stderr, system; default stdout), level, step_id,
 * step_index, attempt (default 1), last=1 (the body's last line is the log's),
 * encoding=base64 (of lines that are no UTF-8).
 */
#ifndef SLUICE_LOG_API_H
#define SLUICE_LOG_API_H

struct conn;
struct http_request;

void	log_api(struct conn *c, const struct http_request *r);

#endif
