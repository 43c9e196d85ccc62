/*
 * inv_compare: holds an inventory against a list of the same objects, to find
 * what a watch did not tell (k8s-watch.md A 33). Pure; list_compare drives it.
 *
 * The list and the watch stand at different versions, so a difference is at
 * first a suspicion. What was deleted after the list was taken and before it
 * was read stays one for ever: so it is one only if the watch has had its time
 * and a second list, asked for after that, says the same. A few suspects are
 * enough: what follows is a whole list.
 */
#ifndef SLUICE_INV_COMPARE_H
#define SLUICE_INV_COMPARE_H

#include "watcher/inventory.h"

#define INV_COMPARE_SUSPECTS_MAX 16u

enum inv_suspicion {
	INV_MISSING,   /* in the list, not here, or older here */
	INV_SURPLUS,   /* here, not in the list */
	INV_BEHIND,    /* newer here than in a list that is newer still: it
			* went back, as with an etcd restored */
};

struct inv_suspect {
	char		*path;      /* namespace/name */
	uint16_t	 namespace_len;
	enum inv_suspicion what;
	bool		 again;     /* the second list names it so, too */
	uint8_t		 uid[16];
	uint64_t	 version;   /* MISSING: the list's; else ours */
};

struct inv_compare {
	struct inv_suspect	suspects[INV_COMPARE_SUSPECTS_MAX];
	size_t			n;
	bool			again;       /* this is the second list */
	unsigned		kind;
	struct slice		namespace;   /* SLICE_NONE: all */
};

/* All zero is a good start; `namespace` must outlive the comparison. */
void	inv_compare_begin(struct inv_compare *c, struct inventory *inv,
	    unsigned kind, struct slice namespace);
/* The list names it. */
void	inv_compare_item(struct inv_compare *c, struct inventory *inv,
	    const struct kube_object *object);
/* It is whole, at this version. True: there are suspects. */
bool	inv_compare_end(struct inv_compare *c, struct inventory *inv,
	    struct slice version);
/* The watch has had its time: who is as listed by now is no suspect. True: some
 * are left; items are from here on those of a second list. */
bool	inv_compare_again(struct inv_compare *c, const struct inventory *inv);
/* That one is whole. True: it says the same, and one still differs. */
bool	inv_compare_differs(const struct inv_compare *c,
	    const struct inventory *inv);
void	inv_compare_clear(struct inv_compare *c);

#endif
