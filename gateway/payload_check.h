/*
 * payload_check: the `data` of a published event, held against the schema of
 * its event_type (contract, section 3). Process: gateway.
 *
 * The schemas are those of schemas/, embedded (schema_data) and read into
 * rules (schema_rule) once for the process. One that cannot be read is a fault
 * of the build, and ends the process: at its start, before it is ready. Event
 * types whose names begin with x. have none: of them only the envelope is
 * checked.
 */
#ifndef SLUICE_PAYLOAD_CHECK_H
#define SLUICE_PAYLOAD_CHECK_H

#include "gateway/schema_rule.h"

#define PAYLOAD_VERSION 1   /* of every schema there is */

/* Reads the rules, which otherwise the first question does. */
void				 payload_check_load(void);
/* The rule of an event type; NULL if it has none. */
const struct schema_rule	*payload_check_rule(struct slice event_type);
/* Tells the problems of an event's data, from `data` on; how many. `key` is
 * its checked stream_key. */
unsigned int			 payload_check(const struct schema_rule *rule,
				    struct slice key,
				    const struct json_value *data,
				    schema_problem_cb cb, void *arg);
/* The process ends: forgets the rules. */
void				 payload_check_finish(void);

#endif
