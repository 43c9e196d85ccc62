/*
 * page_data: the files of the dashboard, taken in by the assembler from
 * gateway/page/ (paths as seen from the root of the tree, where the compiler
 * runs). Pure: constants.
 */
#ifndef SLUICE_PAGE_DATA_H
#define SLUICE_PAGE_DATA_H

#include <stddef.h>

struct page_data {
	const char	*name;     /* as its path has it */
	const char	*type;     /* Content-Type */
	const char	*from, *end;
};

/* The first is the page itself. */
extern const struct page_data page_data[];
extern const size_t page_data_n;

#endif
