/*
 * quantity: Kubernetes quantities ("100m", "16Gi", "1e3", "0.5").
 *
 * Pure. Process: health. Grammar of apimachinery's resource.Quantity:
 * sign, digits with an optional point, then one of n u m "" k M G T P E,
 * Ki Mi Gi Ti Pi Ei, or e/E with a signed exponent.
 */
#ifndef SLUICE_QUANTITY_H
#define SLUICE_QUANTITY_H

#include <stdint.h>

#include "common/buf.h"

#define QUANTITY_TEXT_MAX 64u

/* The value in thousandths, rounded away from zero as Kubernetes does, cut to
 * the range of int64_t; 0, or -1 if malformed (*ret_milli is untouched). */
int	quantity_milli(struct slice text, int64_t *ret_milli);
/* The same in whole units. */
int	quantity_value(struct slice text, int64_t *ret_value);

#endif
