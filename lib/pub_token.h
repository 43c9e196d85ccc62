/*
 * pub_token: the token that requests are sent with: a text, or a file that is
 * read again whenever it has changed. One thread at a time.
 */
#ifndef SLUICE_PUB_TOKEN_H
#define SLUICE_PUB_TOKEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "common/err.h"

struct pub_token {
	char		*file;    /* NULL: the text is fixed */
	char		*text;    /* NULL: requests have none */
	struct timespec	 changed;
	ino_t		 inode;
	off_t		 size;
};

/* Either may be NULL, not both given. The file must be readable now. */
int	pub_token_init(struct pub_token *t, const char *text, const char *file,
	    struct err *err);
void	pub_token_clear(struct pub_token *t);
/* Reads the file if it is another than before; true when the token is, too. A
 * file that is gone or holds no token leaves the one from before. */
bool	pub_token_refresh(struct pub_token *t);

#endif
