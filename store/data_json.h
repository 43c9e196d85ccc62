/*
 * data_json: an event's `data` as jansson's tree. Pure; the store's threads.
 *
 * The gateway took it without looking at the size of integers that no schema
 * names (contract, section 3: such members are passed on as they are), and
 * jansson refuses a text with one beyond 64 bits. Here it is read all the same:
 * whole numbers are integers, or, where one of the text is beyond that, all of
 * its numbers are reals.
 */
#ifndef SLUICE_DATA_JSON_H
#define SLUICE_DATA_JSON_H

#include <jansson.h>

#include "common/event.h"

/* To be released by json_decref; NULL: the data is no object. */
json_t	*data_json(const struct item *item);

#endif
