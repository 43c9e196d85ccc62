/*
 * api_data: the bytes of the API documents, taken in by the assembler: those of
 * gateway/api/ with the schemas in them (gateway/api/bundle.sh), which the
 * build makes in a folder that it tells the assembler. Pure: constants.
 */
#ifndef SLUICE_API_DATA_H
#define SLUICE_API_DATA_H

extern const char api_data_openapi[];
extern const char api_data_openapi_end[];
extern const char api_data_asyncapi[];
extern const char api_data_asyncapi_end[];

#endif
