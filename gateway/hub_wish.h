/*
 * hub_wish: what a subscription asks for, in one order and as one text, its
 * canon: who asks for the same, in whatever order and however often, is in the
 * same subscription (hub interns them by it). Part of hub. Pure.
 */
#ifndef SLUICE_HUB_WISH_H
#define SLUICE_HUB_WISH_H

#include "gateway/hub.h"

/* Sets tenant, selectors, types and canon of a subscription that is new and
 * zero. The slices still point to the caller's texts; what hub frees of a
 * subscription is its own. */
void	hub_wish_set(struct hub_subscription *s, struct slice tenant,
	    const struct slice *selectors, size_t n_selectors,
	    const struct slice *types, size_t n_types);
/* The subscription stays: all slices point into its canon from now on. */
void	hub_wish_own(struct hub_subscription *s);

#endif
