/* numbers.h - what tests of graph text share: tensors of given types, numbers that follow from
 * names, and how precise an element is. */
#ifndef TESTS_NUMBERS_H
#define TESTS_NUMBERS_H

#include "ir/interpret.h"

/* A tensor of that type at those dims, of zeros. */
RunTensor numbers_tensor(Arena *arena, const Type *type, const int64_t *dims);
/* Fills it with floats in -1..1 (`positive`: in 0..1, none of them 0), integers in 0..3, bools. */
void numbers_invent(const char *name, bool positive, Element element, void *bytes, int64_t count);

/* Whether a state is a variance, a sum of squares or a count, by its name's end. */
bool numbers_positive(const char *name);
/* Parameters become constants, which is what `quantise` stores in a smaller type. */
void numbers_constant(Arena *arena, Module *module);

/* By how much rounding to the element changes a number at most, relatively; of f32 for integers. */
double numbers_unit(Element element);

/* Of the module's text, going on from what was digested before (NUMBERS_DIGEST: nothing). */
#define NUMBERS_DIGEST 14695981039346656037u
uint64_t numbers_digest(uint64_t digest, const Module *module);

#endif
