# mongo_tenant_fdw: OBJS stand in the order in which data flows; this is the table of contents.
MODULE_big = mongo_tenant_fdw
EXTENSION = mongo_tenant_fdw
DATA = mongo_tenant_fdw--0.1.sql
PGFILEDESC = "mongo_tenant_fdw - tenant-bound foreign data wrapper for MongoDB"

# base: versions, guards, errors
OBJS = src/base/compat.o src/base/guard.o src/base/error.o src/base/bson_raw.o src/base/bson_order.o \
	src/base/key_dir.o src/base/stat.o src/base/diag.o
# options: what an owner may say, and how columns map to documents
OBJS += src/options/uri.o src/options/option.o src/options/column.o src/options/cache.o
# auth: text token to verified claims
OBJS += src/auth/strict.o src/auth/digest.o src/auth/jws.o src/auth/edwards.o src/auth/key.o \
	src/auth/keyset.o src/auth/jwt_verify.o src/auth/claims.o src/auth/trust.o
# tenant: claims and policy to scope
OBJS += src/tenant/catalog.o src/tenant/provider.o src/tenant/revocation.o src/tenant/identity.o \
	src/tenant/login.o src/tenant/setting.o src/tenant/session.o src/tenant/audit.o src/tenant/policy.o \
	src/tenant/recheck.o src/tenant/scope.o \
	src/tenant/functions.o src/tenant/admin.o src/tenant/triggers.o
# plan: what can run remotely
OBJS += src/plan/setting.o src/plan/shippable.o src/plan/collation.o src/plan/node.o src/plan/lowering.o src/plan/classify.o src/plan/choice.o src/plan/compute.o src/plan/compute_part.o src/plan/scalar.o src/plan/plan_private.o src/plan/cost.o src/plan/cost_expression.o \
	src/plan/relation.o src/plan/unique.o src/plan/plan_scan.o src/plan/late_pattern.o src/plan/plan_upper.o src/plan/grouping.o src/plan/group_key.o src/plan/aggregate_sum.o src/plan/aggregate_extreme.o src/plan/aggregate.o src/plan/plan_first.o src/plan/plan_group.o src/plan/plan_top.o src/plan/plan_join.o src/plan/plan_bind.o
OBJS += src/plan/member.o src/plan/element.o src/plan/json_path.o src/plan/shift.o src/plan/time_range.o src/plan/regex.o src/plan/text_part.o
# pipeline: what is sent: values
OBJS += src/pipeline/writer.o src/pipeline/literal.o src/pipeline/operand.o src/pipeline/pattern.o
# pipeline: conditions in the match language
OBJS += src/pipeline/combination.o src/pipeline/match_field.o src/pipeline/native.o src/pipeline/absence.o \
	src/pipeline/json_match.o src/pipeline/range.o src/pipeline/expr.o
# pipeline: expressions
OBJS += src/pipeline/call.o src/pipeline/field_float.o src/pipeline/field_decimal.o \
	src/pipeline/believed.o src/pipeline/field_known.o src/pipeline/field_value.o src/pipeline/compare.o \
	src/pipeline/condition.o src/pipeline/instant.o src/pipeline/text_value.o src/pipeline/number_key.o src/pipeline/value.o \
	src/pipeline/canonical.o src/pipeline/accumulate.o
# pipeline: stages
OBJS += src/pipeline/pipeline.o src/pipeline/join_stages.o src/pipeline/group_stages.o \
	src/pipeline/recheck.o
# remote: the only doors to the server
OBJS += src/remote/tls.o src/remote/socket.o src/remote/stream.o src/remote/client.o src/remote/connection.o \
	src/remote/wire.o src/remote/kill.o src/remote/cursor_command.o src/remote/cursor_driver.o \
	src/remote/cursor.o src/remote/gather.o src/remote/describe.o src/remote/estimate.o src/remote/validator.o
# rows: documents to slots
OBJS += src/rows/number.o src/rows/value.o src/rows/jsonb.o src/rows/decode.o src/rows/agg_state.o \
	src/rows/finish.o
# rows: the conductors, and what they keep
OBJS += src/rows/reader.o src/rows/kept.o src/rows/doubt.o src/rows/ranges.o src/rows/exec_scan.o src/rows/exec_bind.o \
	src/rows/exec_async.o src/rows/estimate.o src/rows/validator.o src/rows/explain.o
# entry
OBJS += mongo_tenant_fdw.o

PKG_CONFIG ?= pkg-config
MONGOC_PKG := $(shell $(PKG_CONFIG) --exists mongoc2 && echo mongoc2 || echo libmongoc-1.0)
LIBS_PKG = $(MONGOC_PKG) libjwt jansson openssl

PG_CPPFLAGS = -I$(srcdir)/src $(shell $(PKG_CONFIG) --cflags $(LIBS_PKG))
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement -fvisibility=hidden
# libjwt is loaded at run time, see jwt_verify.c.
# Debian's libjwt.pc of libjwt 3 names a directory where the library is not: the compiler knows.
LIBJWT = $(firstword $(wildcard $(shell $(PKG_CONFIG) --variable=libdir libjwt)/libjwt.so) \
	$(shell $(CC) -print-file-name=libjwt.so))
PG_CPPFLAGS += -DMTF_LIBJWT_SONAME=\"$(shell objdump -p $(LIBJWT) | awk '$$1 == "SONAME" { print $$2 }')\"
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(filter-out libjwt,$(LIBS_PKG))) -ldl

# JIT inlining has nothing to gain here, and bitcode would double the build.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Headers are few and rooms are small: any header rebuilds all.
$(OBJS): $(wildcard $(srcdir)/src/*/*.h)

FORMAT_FILES = mongo_tenant_fdw.c $(wildcard src/*/*.[ch])

.PHONY: format format-check demo check run-tests check-long check-matrix bench
format:
	clang-format -i $(FORMAT_FILES)
format-check:
	clang-format --dry-run -Werror $(FORMAT_FILES)

demo:
	./demo/run
# PGXS has a check of its own, whose recipe only says that there is none: that one is kept quiet.
check: run-tests
check: private SHELL = true
run-tests:
	./test/run
check-long:
	./test/check-long
check-matrix:
	./test/matrix/run
bench:
	./bench/run
