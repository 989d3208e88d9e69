/* data.h - constant tensors: literals, folded results, weights.
 *
 * The bytes may belong to a mapped file and are never copied into LLVM; equality is by hash. They
 * may not be there yet: of moved and made data (move.h, made.h) they are made when they are asked
 * for.
 */
#ifndef IR_DATA_H
#define IR_DATA_H

#include "ir/type.h"

typedef struct Data {
  Element element;
  int64_t count;      /* elements, row-major; the shape is the type's of whoever holds it */
  const void *bytes;  /* little endian; NULL: moved, made, or elided (its file is not there) */
  uint8_t sha256[32]; /* of the bytes; valid if `hashed` */
  bool hashed;
  /* Of elided data its text's part: the hash's first 4 bytes are valid, and a few first values. */
  const void *first;
  int first_count;
  bool mapped; /* the bytes are a file's pages, which can be let go and come again */
  const struct DataMove *move;
  const struct MadeData *made;
  Arena *arena; /* of moved and made data: for the bytes */
} Data;

Data *data_new(Arena *arena, Element element, int64_t count, const void *bytes); /* not copied */
int64_t data_bytes(const Data *data);
/* Whether its elements can be known: all but elided data. */
bool data_is_known(const Data *data);
/* All bytes, which are made if they are not there; NULL if elided. */
const void *data_contents(const Data *data);
/* Copies elements, of moved and made data without making the others. */
void data_read(const Data *data, int64_t from, int64_t count, void *to);
/* Tells data apart: fast, since they may be gigabytes; no protection. Of what moved or made data
 * are made of and how, so equal ones may differ. */
uint64_t data_digest(const Data *data);
/* Lets go the pages of a mapped file that it is made of. Reading brings them again. */
void data_release(const Data *data);
/* The first 32 bits of the SHA-256 of the bytes, as 8 hex digits after an x. */
const char *data_hash(Arena *arena, Data *data);
/* The same elements, bit for bit; of elided data as far as the hash says. */
bool data_equal(const Data *a, const Data *b);
/* Element `index` as a double (exact but for i64 above 2^53) or, of integers and bools, exactly. */
double data_get(const Data *data, int64_t index);
int64_t data_get_integer(const Data *data, int64_t index);
/* Writes an element, rounded to nearest even (floats), truncated and saturated (to integers from
 * floats), wrapped (integers). */
void element_store(Element element, void *bytes, int64_t index, double value);
void element_store_integer(Element element, void *bytes, int64_t index, int64_t value);
double element_load(Element element, const void *bytes, int64_t index);
int64_t element_load_integer(Element element, const void *bytes, int64_t index);
/* `value` rounded to the element type, as a double. */
double element_round(Element element, double value);

#endif
