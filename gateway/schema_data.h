/*
 * schema_data: the bytes of schemas/, taken in by the assembler (paths as seen
 * from the root of the tree, where the compiler runs): what publishers are
 * held to is, byte for byte, what is installed. Pure: constants.
 */
#ifndef SLUICE_SCHEMA_DATA_H
#define SLUICE_SCHEMA_DATA_H

#include "common/buf.h"

struct schema_data {
	const char	*name;     /* of the file, without .json */
	const char	*begin;
	const char	*end;
};

/* The i-th, in the order of names; NULL after the last. */
const struct schema_data	*schema_data(size_t i);
/* The text of a schema; its p is NULL if there is none of this name. */
struct slice			 schema_data_find(const char *name);

#endif
