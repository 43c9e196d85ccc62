/*
 * buf: a growable byte buffer, and a bounds-checked reader over bytes.
 *
 * All integers are little-endian on disk and on the bus. A writer never fails
 * (xmalloc); the caller bounds what it appends. A reader never reads past its
 * end: the first short read sets `failed`, every later read gives 0 or NULL,
 * so that a decoder checks once, at its end, with rd_done(). Pure; every
 * process, any thread.
 */
#ifndef SLUICE_BUF_H
#define SLUICE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

struct buf {
	uint8_t	*data;
	size_t	 len;
	size_t	 size;
};

#define BUF_EMPTY ((struct buf){ NULL, 0, 0 })

void	 buf_free(struct buf *b);              /* contents; b is empty after */
void	 buf_reset(struct buf *b);             /* length 0, memory kept */
/* Room for n more bytes; returns where they go. buf_grew() then adds them. */
void	*buf_reserve(struct buf *b, size_t n);
void	 buf_grew(struct buf *b, size_t n);
void	 buf_add(struct buf *b, const void *p, size_t n);
/* The same for what must leave no copy behind: memory that is outgrown is
 * wiped. buf_wipe() instead of buf_free() at the end. */
void	 buf_add_sealed(struct buf *b, const void *p, size_t n);
void	 buf_wipe(struct buf *b);
void	 buf_adds(struct buf *b, const char *s);
void	 buf_addc(struct buf *b, char c);
void	 buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void	 buf_u8(struct buf *b, uint8_t v);
void	 buf_u16(struct buf *b, uint16_t v);
void	 buf_u32(struct buf *b, uint32_t v);
void	 buf_u64(struct buf *b, uint64_t v);
/* u16 length and bytes; n must be <= 65535. buf_str32: u32 length. */
void	 buf_str16(struct buf *b, const void *p, size_t n);
void	 buf_str32(struct buf *b, const void *p, size_t n);
/* Overwrites four bytes written before, at `offset`. */
void	 buf_patch_u32(struct buf *b, size_t offset, uint32_t v);
/* Removes the first n bytes. */
void	 buf_drain(struct buf *b, size_t n);
/* Appends text as the inside of a JSON string: control characters, quote,
 * backslash, DEL and U+2028/2029 escaped, bytes that are no UTF-8 as U+FFFD
 * each (texts of a server or a file may hold such, or were cut). */
void	 buf_json_text(struct buf *b, const char *text, size_t n);
/* NUL-terminates (not counted in len) and returns the text. */
char	*buf_cstr(struct buf *b);

/* A slice of somebody else's bytes. */
struct slice {
	const char	*p;
	size_t		 n;
};

#define SLICE_NONE ((struct slice){ NULL, 0 })

/* A JSON string, and a member that is one: "name":"text". The name is ours. */
void	 buf_json_string(struct buf *b, struct slice text);
void	 buf_json_member(struct buf *b, const char *name, struct slice text);

struct slice	slice_str(const char *s);
bool		slice_eq(struct slice a, struct slice b);
bool		slice_is(struct slice a, const char *s);
/* A NUL-terminated copy, to be freed by free(). */
char		*slice_dup(struct slice a);

struct rd {
	const uint8_t	*p;
	size_t		 left;
	bool		 failed;
};

struct rd	rd_init(const void *p, size_t n);
uint8_t		rd_u8(struct rd *r);
uint16_t	rd_u16(struct rd *r);
uint32_t	rd_u32(struct rd *r);
uint64_t	rd_u64(struct rd *r);
const void	*rd_bytes(struct rd *r, size_t n);
struct slice	rd_str16(struct rd *r);
struct slice	rd_str32(struct rd *r);
/* True when nothing failed and nothing is left over. */
bool		rd_done(const struct rd *r);

#endif
