/* Templates of ConfigMap and Secret. Their data stands once more in the
 * annotation that `kubectl apply` leaves, as in many real clusters: a reader
 * that keeps annotations keeps secrets. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_template.h"

#define PLAIN_MAX 384

/* "kubesim-secret-APP-N" in base64: tests look for the first 16 letters of
 * it, which are the same in every Secret. */
static void
add_password(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	unsigned char out[PLAIN_MAX * 4 / 3 + 8];
	char plain[PLAIN_MAX];
	int n = snprintf(plain, sizeof(plain), SIM_SECRET_MARK "%.253s-%u",
	    o->app, st->image);

	(void)EVP_EncodeBlock(out, (const unsigned char *)plain, n);
	buf_adds(b, (const char *)out);
}

/* The members of `data`; quote is `"`, or `\"` inside a string. */
static void
add_data(struct buf *b, const struct sim_object *o, const struct sim_state *st,
    const char *quote)
{
	if (o->kind == SIM_SECRET) {
		buf_addf(b, "%spassword%s:%s", quote, quote, quote);
		add_password(b, o, st);
		buf_adds(b, quote);
		return;
	}
	buf_addf(b, "%slog.level%s:%sinfo%s,%srevision%s:%s%u%s", quote, quote,
	    quote, quote, quote, quote, quote, st->image, quote);
}

void
sim_template_applied_labels(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_addf(b, ",\"labels\":{\"app\":\"%s\","
	    "\"app.kubernetes.io/managed-by\":\"kubesim\"},"
	    "\"annotations\":{\"kubectl.kubernetes.io/"
	    "last-applied-configuration\":\"{\\\"apiVersion\\\":\\\"v1\\\","
	    "\\\"data\\\":{", o->app);
	add_data(b, o, st, "\\\"");
	buf_addf(b, "},\\\"kind\\\":\\\"%s\\\",\\\"metadata\\\":{"
	    "\\\"name\\\":\\\"%s\\\"}}\\n\"}", sim_kinds_row(o->kind)->kind,
	    o->name);
}

void
sim_template_configmap(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_adds(b, ",\"data\":{");
	add_data(b, o, st, "\"");
	buf_adds(b, "},\"binaryData\":{\"logo.png\":\"iVBORw0KGgo=\"}");
}

void
sim_template_secret(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	buf_adds(b, ",\"data\":{");
	add_data(b, o, st, "\"");
	buf_adds(b, "},\"type\":\"Opaque\"");
}
