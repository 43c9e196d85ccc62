# Sluice: one Makefile, no recursion, everything it makes lands in $(BUILD).
#   make all        build, without any set-up        make run     install, build, start
#   make check      install, then run every test     make test    the fast part
#   make check-unit check-integration                one layer of it
# Switches: V=1 (show commands)  CC=clang  SAN=address,undefined | thread  WERROR=1|0

CC         ?= gcc
ifeq ($(origin CC),default)
CC         := gcc
endif
AR         ?= ar
LD         ?= ld
OBJCOPY    ?= objcopy
PKG_CONFIG ?= pkg-config
BUILD      ?= build
PREFIX     ?= /usr/local
DESTDIR    ?=
SBINDIR    ?= $(PREFIX)/sbin
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/sluice
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/sluice
DATADIR    ?= $(PREFIX)/share/sluice
SYSCONFDIR ?= /etc
SYSTEMDUNITDIR ?= $(PREFIX)/lib/systemd/system
# Warnings are errors for who works on it, never for who builds a release: a
# newer compiler warns of more.
WERROR     ?= $(if $(wildcard .git),1,0)
VERSION    := $(shell cat VERSION)

Q := $(if $(V),,@)
comma := ,
say = $(if $(V),,@printf '  %-7s %s\n' $(1) '$(2)')

# --- flags: each is probed, since gcc 12 and clang 14 differ -----------------
cc-option = $(shell echo 'int probe;' | $(CC) -Wall -Werror $(1) -c -x c - \
	-o /dev/null >/dev/null 2>&1 && echo '$(1)')
WARN_ALL := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
	-Wimplicit-fallthrough -Wswitch-enum -Wconversion -Wsign-conversion \
	-Wnull-dereference -Wdouble-promotion -Wlogical-op -Wduplicated-cond \
	-Wduplicated-branches -Wjump-misses-init -Wtrampolines \
	-Wbidi-chars=any -Werror=implicit -Werror=incompatible-pointer-types \
	-Werror=int-conversion -Werror=format-security
HARDEN_ALL := -fstrict-flex-arrays=3 -fstack-clash-protection \
	-fstack-protector-strong -fcf-protection=full \
	-mbranch-protection=standard -fno-delete-null-pointer-checks \
	-fno-strict-overflow -fno-strict-aliasing -ftrivial-auto-var-init=zero \
	-fzero-init-padding-bits=all -fexceptions
# Probing ~40 flags costs a second: the answers are kept per compiler.
FLAGS_MK := $(BUILD)/flags-$(notdir $(firstword $(CC))).mk
ifeq ($(filter clean distclean help uninstall,$(MAKECMDGOALS)),)
-include $(FLAGS_MK)
endif

# Debian 12's: nothing older was ever tried.
PKGS_MIN  := libevent >= 2.1.12 yaml-0.1 >= 0.2.5 libcurl >= 7.88.1 \
	jansson >= 2.14 libmongoc-1.0 >= 1.23.1 sqlite3 >= 3.40.1 \
	nanomsg >= 1.1.5 libcrypto >= 3.0 jose >= 11 libseccomp >= 2.5.4
PKGS_BASE := libevent yaml-0.1
PKGS_ALL  := libevent yaml-0.1 libcurl jansson libmongoc-1.0 sqlite3 \
	nanomsg libcrypto jose libseccomp
pkg-cflags = $(patsubst -I%,-isystem %,$(filter-out \
	-I/usr/include/%-linux-gnu,$(shell $(PKG_CONFIG) --cflags $(1))))
pkg-libs   = $(shell $(PKG_CONFIG) --libs $(1))

SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -g)
FORTIFY  := $(if $(SAN),-U_FORTIFY_SOURCE,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
CFLAGS   ?= -O2 -g
ALL_CPPFLAGS = -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' \
	-DSLUICE_LIBEXECDIR='"$(LIBEXECDIR)"' -I. $(DEP_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS   = -std=gnu17 -pthread -fPIE $(FORTIFY) $(WARNFLAGS) \
	$(HARDENFLAGS) $(if $(filter 1,$(WERROR)),-Werror) \
	-ffile-prefix-map=$(CURDIR)=. $(SANFLAGS) $(CFLAGS)
ALL_LDFLAGS  = -pie -pthread -Wl,-z,nodlopen,-z,noexecstack,-z,relro,-z,now \
	-Wl,--as-needed $(SANFLAGS) $(LDFLAGS)

# --- what is built: folder = process = binary --------------------------------
ROLES := watcher health broker store gateway exec
have   = $(if $(wildcard $(1)/$(1).c),$(1))
BUILT_ROLES := $(foreach r,$(ROLES),$(call have,$(r)))
BINS := $(if $(wildcard supervisor/supervisor.c),$(BUILD)/sluiced) \
	$(if $(wildcard ctl/sluicectl.c),$(BUILD)/sluicectl) \
	$(foreach r,$(BUILT_ROLES),$(BUILD)/sluice-$(r))
FOLDERS := common lib supervisor ctl $(ROLES)
srcs = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# A folder's archive holds all but its main; the linker takes what is needed.
members = $(filter-out $(1)/$(1).c ctl/sluicectl.c,$(call srcs,$(1)))
ARCHIVES := $(foreach f,$(filter-out common,$(FOLDERS)),$(BUILD)/$(f).a) \
	$(BUILD)/common.a

TEST_SRCS  := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(TEST_SRCS))
# With what tests alone need: gateway/test_hooks.h, broker/test_room.h.
HOOKED     := broker gateway
HOOKED_BINS := $(HOOKED:%=$(BUILD)/hooks/sluice-%)
TOOL_SRCS  := $(sort $(wildcard tests/tools/*.c tests/bench/*.c))
TOOLS      := $(patsubst tests/%.c,$(BUILD)/%,$(TOOL_SRCS)) \
	$(BUILD)/bench/sse_load $(HOOKED_BINS) \
	$(if $(wildcard tests/kubesim/kubesim.c),$(BUILD)/kubesim)
KUBESIM_SRCS := $(sort $(wildcard tests/kubesim/*.c))
SSE_LOAD_SRCS := $(sort $(wildcard tests/bench/load/*.c))

# libsluice, for programs of others: compiled once more, as -fPIC and with
# nothing visible but lib/sluice.h, so that no name of ours meets one of theirs.
LIB_SONAME  := libsluice.so.0
LIB_SHARED  := $(BUILD)/libsluice.so.$(VERSION)
LIB_COMMON  := buf crc32c err json_slice log mono text utf8 xmalloc
LIB_OBJS    := $(patsubst %.c,$(BUILD)/pic/%.o,$(call srcs,lib) \
	$(LIB_COMMON:%=common/%.c))

.PHONY: all
all: $(BINS) $(LIB_SHARED) $(BUILD)/libsluice.a \
	$(if $(wildcard tests/kubesim/kubesim.c),$(BUILD)/kubesim) \
	$(BUILD)/demo-orchestrator

$(FLAGS_MK): Makefile
	@mkdir -p $(@D)
	@$(PKG_CONFIG) --exists --print-errors '$(PKGS_MIN)' || { \
		echo 'make: libraries are missing or too old: setup/setup.sh' \
		'run installs those of Debian 12' >&2; exit 1; }
	@{ echo 'WARNFLAGS := $(foreach f,$(WARN_ALL),$(call cc-option,$(f)))'; \
	   echo 'HARDENFLAGS := $(foreach f,$(HARDEN_ALL),$(call cc-option,$(f)))'; \
	   echo 'DEP_CFLAGS := $(call pkg-cflags,$(PKGS_ALL))'; \
	   echo 'LIBS_BASE := $(call pkg-libs,$(PKGS_BASE))'; \
	   echo 'LIBS_ALL := $(call pkg-libs,$(PKGS_ALL))'; } > $@.tmp
	@mv $@.tmp $@

$(BUILD)/obj/%.o: %.c $(FLAGS_MK)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The page is embedded by .incbin, which -MMD does not see.
$(BUILD)/obj/gateway/page_data.o $(BUILD)/hooks/obj/gateway/page_data.o: \
	$(wildcard gateway/page/*)
$(BUILD)/obj/gateway/schema_data.o $(BUILD)/hooks/obj/gateway/schema_data.o: \
	$(wildcard schemas/*.json)

# The API documents, the schemas in them, are embedded so too.
SCHEMAS  := $(sort $(wildcard schemas/*.json))
API_DOCS := $(BUILD)/api/openapi.json $(BUILD)/api/asyncapi.json
API_OBJS := $(BUILD)/obj/gateway/api_data.o \
	$(BUILD)/hooks/obj/gateway/api_data.o
$(API_DOCS): $(BUILD)/api/%.json: gateway/api/%.json gateway/api/bundle.sh \
		$(SCHEMAS)
	@mkdir -p $(@D)
	$(Q)gateway/api/bundle.sh $< $(SCHEMAS) >$@.tmp
	@mv $@.tmp $@
$(API_OBJS): $(API_DOCS)
$(API_OBJS): ALL_CFLAGS += -Wa,-I$(BUILD)/api

# What the binaries know of where they will be installed: `make` and then `make
# install PREFIX=...` must not leave the old place in them.
PLACE := $(BUILD)/libexecdir
ifneq ($(file <$(PLACE)),$(LIBEXECDIR))
.PHONY: $(PLACE)
endif
$(PLACE):
	@mkdir -p $(@D)
	@printf '%s' '$(LIBEXECDIR)' >$@
$(call objs,$(call srcs,supervisor)): $(PLACE)

define archive-rule
$(BUILD)/$(1).a: $(call objs,$(call members,$(1)))
	@rm -f $$@
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call archive-rule,$(f))))

define role-rule
$(BUILD)/sluice-$(1): $(BUILD)/obj/$(1)/$(1).o $(BUILD)/$(1).a $(BUILD)/common.a
	$$(call say,LD,$$@)
	$$(Q)$(CC) $$(ALL_CFLAGS) $$^ $$(ALL_LDFLAGS) $$(LIBS_ALL) -o $$@
endef
$(foreach r,$(ROLES),$(eval $(call role-rule,$(r))))

# Never installed.
$(BUILD)/hooks/obj/%.o: %.c $(FLAGS_MK)
	$(call say,CC,$< (hooks))
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) -DTEST_HOOKS $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define hooked-rule
$(BUILD)/hooks/sluice-$(1): \
		$(patsubst %.c,$(BUILD)/hooks/obj/%.o,$(call srcs,$(1))) \
		$(BUILD)/common.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$^ $$(ALL_LDFLAGS) $$(LIBS_ALL) -o $$@
endef
$(foreach r,$(HOOKED),$(eval $(call hooked-rule,$(r))))

$(BUILD)/pic/%.o: %.c $(FLAGS_MK)
	$(call say,CC,$< (lib))
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC \
		-fvisibility=hidden -MMD -MP -c $< -o $@

$(LIB_SHARED): $(LIB_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -shared \
		-Wl,-soname,$(LIB_SONAME) $^ \
		$(filter-out -pie -Wl$(comma)-z$(comma)nodlopen,$(ALL_LDFLAGS)) \
		$(LIBS_ALL) -o $@
	@ln -sf $(@F) $(BUILD)/$(LIB_SONAME)
	@ln -sf $(@F) $(BUILD)/libsluice.so

# One object, in which what is hidden has become local.
$(BUILD)/libsluice.a: $(LIB_OBJS)
	@rm -f $@
	$(Q)$(LD) -r $^ -o $(BUILD)/pic/sluice-all.o
	$(Q)$(OBJCOPY) --localize-hidden $(BUILD)/pic/sluice-all.o
	$(Q)$(AR) rcs $@ $(BUILD)/pic/sluice-all.o

# The supervisor links libevent and libyaml, nothing of the data path.
$(BUILD)/sluiced: $(BUILD)/obj/supervisor/supervisor.o $(BUILD)/supervisor.a \
		$(BUILD)/common.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $^ $(ALL_LDFLAGS) $(LIBS_BASE) -o $@

$(BUILD)/sluicectl: $(BUILD)/obj/ctl/sluicectl.o $(BUILD)/ctl.a \
		$(BUILD)/lib.a $(BUILD)/common.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $^ $(ALL_LDFLAGS) $(LIBS_ALL) -o $@

$(BUILD)/kubesim: $(call objs,$(KUBESIM_SRCS)) $(BUILD)/common.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $^ $(ALL_LDFLAGS) $(LIBS_ALL) \
		$(shell $(PKG_CONFIG) --libs libevent_openssl libssl zlib \
		libnghttp2) -o $@

$(BUILD)/demo-orchestrator: $(BUILD)/obj/setup/demo_orchestrator.o \
		$(BUILD)/common.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $^ $(ALL_LDFLAGS) $(LIBS_ALL) -o $@

$(BUILD)/bench/sse_load: $(call objs,$(SSE_LOAD_SRCS)) $(BUILD)/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $^ $(ALL_LDFLAGS) $(LIBS_BASE) -o $@

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o | $(ARCHIVES)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $< -Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(ALL_LDFLAGS) $(LIBS_ALL) -lcmocka -o $@

# Linked again only for folders whose headers it was compiled with; with all of
# them, since it may just have begun to use another.
folders-of = $(filter $(FOLDERS),$(sort $(foreach w,$(file <$(1)),\
	$(firstword $(subst /, ,$(w))))))
archives-of = $(if $(wildcard $(1)),$(patsubst %,$(BUILD)/%.a,\
	$(sort common $(call folders-of,$(1)))),$(ARCHIVES))
$(foreach t,$(TEST_SRCS:tests/unit/%.c=%),$(eval $(BUILD)/unit/$(t): \
	$(call archives-of,$(BUILD)/obj/tests/unit/$(t).d)))

$(BUILD)/tools/% $(BUILD)/bench/%: $(ARCHIVES)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(BUILD)/obj/tests/$(patsubst $(BUILD)/%,%,$@).o \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(ALL_LDFLAGS) $(LIBS_ALL) -o $@
$(foreach t,$(patsubst tests/%.c,$(BUILD)/%,$(TOOL_SRCS)),\
	$(eval $(t): $(patsubst $(BUILD)/%,$(BUILD)/obj/tests/%.o,$(t))))

# Kept, so that a second make links and compiles nothing again.
.SECONDARY: $(patsubst tests/unit/%.c,$(BUILD)/obj/tests/unit/%.o,$(TEST_SRCS))

-include $(shell find $(BUILD)/obj $(BUILD)/hooks $(BUILD)/pic -name '*.d' 2>/dev/null)

# --- run and test ------------------------------------------------------------
.PHONY: run check test check-unit check-integration unit unit-programs tools \
	hooks lint bench fuzz chaos check-fresh format help
run:
	@setup/setup.sh run
	@$(MAKE) --no-print-directory all
	@exec env BUILD=$(BUILD) setup/run.sh

check:
	@setup/setup.sh check
	@tests/check.sh all

test:
	@setup/setup.sh check
	@tests/check.sh fast

check-unit:
	@setup/setup.sh check
	@tests/check.sh unit

check-integration:
	@setup/setup.sh check
	@$(MAKE) --no-print-directory all tools
	@tests/check.sh integration

check-fresh:
	@tests/check-fresh.sh

tools: $(TOOLS)
hooks: $(HOOKED_BINS)
unit-programs: $(UNIT_TESTS)
unit: $(UNIT_TESTS)
	@tests/run-unit.sh $(UNIT_TESTS)

lint:
	@tests/lint/run.sh

bench:
	@$(MAKE) --no-print-directory all tools
	@tests/bench/run.sh

FUZZ_SECONDS ?= 600
fuzz:
	@tests/fuzz/run.sh $(FUZZ_SECONDS)

# One run of load and faults under the checker of histories (tests/README.md).
SEED    ?= $(shell shuf -i 1-999999 -n 1)
SECONDS ?= 30
chaos:
	@setup/setup.sh check
	@$(MAKE) --no-print-directory all
	@SLUICE_BUILD=$(BUILD) build/venv/bin/python -m tests.chaos.run \
		--seed $(SEED) --seconds $(SECONDS)

format:
	git diff -U0 --no-color HEAD -- '*.c' '*.h' | \
		clang-format-diff -p1 -i

help:
	@sed -n 's/^# \?//; 1,6p' Makefile

# --- install -----------------------------------------------------------------
.PHONY: install uninstall dist clean distclean
INSTALLED_BINS := $(foreach r,$(BUILT_ROLES),sluice-$(r))
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) \
		$(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(SYSTEMDUNITDIR) \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d \
		$(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) \
		$(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(DATADIR)/schemas \
		$(DESTDIR)$(SYSCONFDIR)/sluice
	install -m 755 $(BUILD)/sluiced $(DESTDIR)$(SBINDIR)/sluiced
	install -m 755 $(BUILD)/sluicectl $(DESTDIR)$(BINDIR)/sluicectl
	for bin in $(INSTALLED_BINS); do \
		install -m 755 $(BUILD)/$$bin $(DESTDIR)$(LIBEXECDIR)/$$bin \
			|| exit 1; done
	install -m 644 supervisor/sluiced.8 ctl/sluicectl.8 \
		$(DESTDIR)$(MANDIR)/man8
	install -m 644 supervisor/sluice.yaml.5 $(DESTDIR)$(MANDIR)/man5
	sed 's|@SBINDIR@|$(SBINDIR)|' systemd/sluice.service \
		>$(DESTDIR)$(SYSTEMDUNITDIR)/sluice.service
	chmod 644 $(DESTDIR)$(SYSTEMDUNITDIR)/sluice.service
	install -m 644 systemd/sluice.sysusers \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/sluice.conf
	install -m 644 systemd/sluice.tmpfiles \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sluice.conf
	install -m 644 doc/balancer.md $(DESTDIR)$(DOCDIR)
	install -m 644 systemd/examples/haproxy.cfg \
		systemd/examples/nginx.conf doc/examples/publish.c \
		$(DESTDIR)$(DOCDIR)/examples
	install -m 644 $(API_DOCS) $(DESTDIR)$(DATADIR)
	install -m 644 $(SCHEMAS) $(DESTDIR)$(DATADIR)/schemas
	install -m 644 lib/sluice.h $(DESTDIR)$(INCLUDEDIR)
	install -m 644 $(BUILD)/libsluice.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(LIB_SHARED) $(DESTDIR)$(LIBDIR)
	ln -sf $(notdir $(LIB_SHARED)) $(DESTDIR)$(LIBDIR)/$(LIB_SONAME)
	ln -sf $(notdir $(LIB_SHARED)) $(DESTDIR)$(LIBDIR)/libsluice.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		lib/libsluice.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/libsluice.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/libsluice.pc

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/sluiced $(DESTDIR)$(BINDIR)/sluicectl \
		$(foreach b,$(INSTALLED_BINS),$(DESTDIR)$(LIBEXECDIR)/$(b)) \
		$(DESTDIR)$(MANDIR)/man8/sluiced.8 \
		$(DESTDIR)$(MANDIR)/man8/sluicectl.8 \
		$(DESTDIR)$(MANDIR)/man5/sluice.yaml.5 \
		$(DESTDIR)$(SYSTEMDUNITDIR)/sluice.service \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/sluice.conf \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sluice.conf \
		$(DESTDIR)$(DOCDIR)/balancer.md \
		$(DESTDIR)$(DOCDIR)/examples/haproxy.cfg \
		$(DESTDIR)$(DOCDIR)/examples/nginx.conf \
		$(patsubst $(BUILD)/api/%,$(DESTDIR)$(DATADIR)/%,$(API_DOCS)) \
		$(addprefix $(DESTDIR)$(DATADIR)/,$(SCHEMAS)) \
		$(DESTDIR)$(DOCDIR)/examples/publish.c \
		$(DESTDIR)$(INCLUDEDIR)/sluice.h $(DESTDIR)$(LIBDIR)/libsluice.a \
		$(DESTDIR)$(LIBDIR)/libsluice.so $(DESTDIR)$(LIBDIR)/$(LIB_SONAME) \
		$(DESTDIR)$(LIBDIR)/$(notdir $(LIB_SHARED)) \
		$(DESTDIR)$(LIBDIR)/pkgconfig/libsluice.pc

dist:
	@mkdir -p $(BUILD)
	git archive --prefix=sluice-$(VERSION)/ HEAD | \
		gzip -n >$(BUILD)/sluice-$(VERSION).tar.gz

clean:
	rm -rf $(BUILD)/obj $(BUILD)/api $(BUILD)/hooks $(BUILD)/pic $(BUILD)/unit \
		$(BUILD)/tools $(BUILD)/*.a $(BUILD)/sluice* \
		$(BUILD)/libsluice* $(BUILD)/kubesim \
		$(BUILD)/demo-orchestrator $(BUILD)/asan $(BUILD)/tsan \
		$(BUILD)/clang $(BUILD)/bench $(BUILD)/fuzz $(BUILD)/flags-*.mk

distclean:
	rm -rf $(BUILD)
