/*
 * page_data: the bytes of the dashboard's files, taken in by the assembler
 * from gateway/page/ (paths as seen from the root of the tree, where the
 * compiler runs). Pure: constants.
 */
#ifndef SLUICE_PAGE_DATA_H
#define SLUICE_PAGE_DATA_H

extern const char page_data_index[];
extern const char page_data_index_end[];
extern const char page_data_script[];
extern const char page_data_script_end[];
extern const char page_data_style[];
extern const char page_data_style_end[];

#endif
