/* lower_joined.c - transposes alone, of axes that stay neighbours: those are one axis, so that
 * lines are as long as memory has them ([N, C, H, W] to [N, H, W, C] moves a plane's rows as one).
 */
#include "backend/families.h"

#include "ir/part.h"

enum { FAR = 8 }; /* times L2, below which the code for both sides' ends takes more than it gains */

typedef struct {
  int count;
  int first[MOST_AXES], sizes[MOST_AXES]; /* of each group: its axes of the result */
} Groups;

static int64_t from_axis(const Op *op, int axis) {
  return op_list_integer(op, ATTRIBUTE_perm, axis);
}

static Groups neighbours(const Op *op) {
  Groups groups = {0};
  for (int i = 0; i < op->results[0]->type.rank; i++)
    if (i && from_axis(op, i) == from_axis(op, i - 1) + 1)
      groups.sizes[groups.count - 1]++;
    else
      groups.first[groups.count] = i, groups.sizes[groups.count++] = 1;
  return groups;
}

/* The type with a dim for each group, in the operand's order or the result's. */
static bool joined_type(DimTable *dims, const Op *op, const Groups *groups, bool of_result,
                        Value *value, const Dim **perm) {
  const Type *type = &op->results[0]->type;
  value->type.rank = groups->count;
  for (int g = 0; g < groups->count; g++) {
    int place = g;
    for (int other = 0, before = 0; other < groups->count && !of_result; other++) {
      before += from_axis(op, groups->first[other]) < from_axis(op, groups->first[g]);
      place = before;
    }
    const Dim *size = dim_constant(dims, 1);
    for (int i = 0; i < groups->sizes[g] && size; i++)
      size = dim_mul(dims, size, type->dims[groups->first[g] + i]);
    if (!size) return false;
    value->type.dims[place] = size;
    perm[g] = dim_constant(dims, place);
  }
  return true;
}

bool lower_joined(Lowering *l) {
  const Op *op = l->op;
  if (op->kind != OP_transpose || l->over_operand) return false;
  if (type_bytes_at_bound(&op->results[0]->type) < FAR * l->target->l2) return false;
  if (value_whole(op->operands[0]) || value_whole(op->results[0])) return false;
  Groups groups = neighbours(op);
  if (groups.count == op->results[0]->type.rank || groups.count < 2) return false;
  Value x = *op->operands[0], y = *op->results[0];
  const Dim *perm[MOST_AXES];
  if (!joined_type(l->dims, op, &groups, true, &y, perm) ||
      !joined_type(l->dims, op, &groups, false, &x, perm))
    return false;
  Arena *arena = l->kernel->arena;
  Op *joined = ARENA_NEW(arena, Op);
  *joined = *op;
  joined->operands = ARENA_ARRAY(arena, 1, Value *);
  joined->results = ARENA_ARRAY(arena, 1, Value *);
  joined->attributes = ARENA_ARRAY(arena, 1, Attribute);
  const Dim **list = ARENA_ARRAY(arena, (size_t)groups.count, const Dim *);
  for (int g = 0; g < groups.count; g++) list[g] = perm[g];
  *(joined->operands[0] = ARENA_NEW(arena, Value)) = x;
  *(joined->results[0] = ARENA_NEW(arena, Value)) = y;
  joined->results[0]->op = joined;
  joined->attributes[0] = op->attributes[0];
  joined->attributes[0].value.dims = (DimList){list, groups.count};
  Lowering inner = *l;
  inner.op = joined;
  lower_map(&inner);
  l->trips = inner.trips, l->algorithm = inner.algorithm, l->grain = inner.grain;
  return true;
}
