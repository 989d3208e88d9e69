/* compare_reference.h - what the reference interpreter makes of the entries of graph text, with
 * what each number may be off by (bounds.h): the same for every CPU level and way of compiling, so
 * found once. Inputs, parameters and states are invented from their names. */
#ifndef TESTS_COMPARE_REFERENCE_H
#define TESTS_COMPARE_REFERENCE_H

#include "tests/tools/bounds.h"

/* Numbers for what is called so. */
void reference_invent(const char *name, Element element, void *bytes, int64_t count);
RunTensor reference_input(Arena *arena, const Value *value, const int64_t *dims);

typedef struct {
  Arena *arena;
  const int64_t *dims;
  const Module *module;
  RunTensor *tensors; /* of the module's, in order: after the call */
} Given;

/* The tensors as they are before a call, to be changed by it. */
Given given_new(Arena *arena, const Module *module, const int64_t *dims);
/* For NativeRun.kept, with a Given: a tensor's bytes after the call. */
void given_keep(void *user, const Tensor *tensor, const void *bytes);

typedef struct {
  uint64_t text; /* the digest of the module's */
  const char *function;
  int64_t dim;
  bool winograd;
  Bounded *want, *kept;
  const char *message; /* or what failed */
} Reference;

typedef struct {
  Arena *arena;
  VEC(Reference *) all;   /* of the file at hand */
  VEC(uint64_t) compared; /* what was compiled of it and compared, see is_new */
} References;

/* Of an entry at `dims`, which `dim` stands for; `winograd`: bounds are those of Winograd's
 * algorithm. */
const Reference *reference_find(References *references, const Module *original, const Function *f,
                                const int64_t *dims, int64_t dim, bool winograd);

#endif
