#include "driver/check_rows.h"

#include "ir/cost.h"

#include <string.h>

typedef struct {
  const LayerCall *call;
  int line, column;
  int64_t flops;
  int count;        /* of equal rows that stand for a list's elements */
  const char *path; /* "layer1.1..2" */
} RowOfCall;

typedef struct {
  Arena *arena;
  VEC(RowOfCall) items;
} RowList;

/* FLOPs of operations by their results' numbers, with dims at their least: before[n] is the sum of
 * those below n. */
typedef struct {
  int64_t *before;
  int count;
} Work;

static Work work_of(Arena *arena, const Function *f) {
  Work work = {0};
  for (const Op *op = f->body->first; op; op = op->next)
    if (op->result_count && op->results[0]->number >= work.count)
      work.count = op->results[0]->number + 1;
  work.before = ARENA_ARRAY(arena, (size_t)work.count + 1, int64_t);
  memset(work.before, 0, ((size_t)work.count + 1) * sizeof *work.before);
  for (const Op *op = f->body->first; op; op = op->next) {
    const Dim *flops = op->result_count ? op_flops(f->module->dims, op) : NULL;
    if (flops) work.before[op->results[0]->number + 1] = dim_min(flops);
  }
  for (int i = 0; i < work.count; i++) work.before[i + 1] += work.before[i];
  return work;
}

static int64_t work_between(const Work *work, int first, int end) {
  if (end > work->count) end = work->count;
  return first < end ? work->before[end] - work->before[first] : 0;
}

static bool same_row(const RowOfCall *a, const RowOfCall *b) {
  if (a->line != b->line || a->column != b->column || a->flops != b->flops) return false;
  if (a->call->parameters != b->call->parameters || strcmp(a->call->call, b->call->call) != 0)
    return false;
  if (a->call->has_type != b->call->has_type) return false;
  return !a->call->has_type || type_equal(&a->call->type, &b->call->type);
}

/* "layer1.1" and "layer1.2": the same but for one number. Gives the place of the numbers. */
static bool next_in_list(const char *a, const char *b) {
  if (!a || !b) return a == b;
  size_t i = 0;
  while (a[i] && a[i] == b[i]) i++;
  return strspn(a + i, "0123456789") > 0 || strspn(b + i, "0123456789") > 0 || a[i] == b[i];
}

static RowList rows_of(Arena *arena, const Elaboration *extra, const Function *f,
                       const Sources *sources, bool all) {
  RowList rows = {.arena = arena};
  Work work = work_of(arena, f);
  for (size_t i = 0; i < extra->calls.count; i++) {
    const LayerCall *call = &extra->calls.items[i];
    if (strcmp(call->entry, f->name) != 0 || call->is_inner) continue;
    const Source *source = sources_get(sources, call->place.file);
    Place place = source ? source_place(source, call->place.from) : (Place){0, 0};
    RowOfCall row = {.call = call,
                     .line = place.line,
                     .column = place.column,
                     .flops = work_between(&work, call->first, call->end),
                     .count = 1,
                     .path = call->path ? call->path : ""};
    vec_push(arena, &rows.items, row);
  }
  if (all) return rows;
  /* fold runs of equal blocks: a block of `length` rows that comes again right after itself */
  RowList folded = {.arena = arena};
  enum { LONGEST_BLOCK = 64 };
  for (size_t i = 0; i < rows.items.count;) {
    size_t best_length = 1, best_times = 1;
    for (size_t length = 1; length <= LONGEST_BLOCK && i + 2 * length <= rows.items.count;
         length++) {
      size_t times = 1;
      for (;;) {
        size_t from = i + times * length, k = 0;
        while (k < length && from + k < rows.items.count &&
               same_row(&rows.items.items[i + k], &rows.items.items[from + k]) &&
               next_in_list(rows.items.items[i + k].path, rows.items.items[from + k].path))
          k++;
        if (k < length) break;
        times++;
      }
      if (times > 1 && times * length > best_times * best_length) {
        best_length = length;
        best_times = times;
      }
    }
    for (size_t k = 0; k < best_length; k++) {
      RowOfCall row = rows.items.items[i + k];
      row.count = (int)best_times;
      if (best_times > 1 && *row.path) {
        const char *last = rows.items.items[i + (best_times - 1) * best_length + k].path;
        row.path = arena_format(arena, "%s .. %s", row.path, last);
      }
      vec_push(arena, &folded.items, row);
    }
    i += best_length * best_times;
  }
  return folded;
}

static const char *clipped(Arena *arena, const char *text, size_t most) {
  size_t length = strlen(text);
  if (length <= most) return text;
  size_t head = (most - 2) / 2, tail = most - 2 - head;
  return arena_format(arena, "%.*s..%s", (int)head, text, text + length - tail);
}

enum { COLUMN_LAYER = 6, COLUMN_CALL = 30, COLUMN_OUTPUT = 61, COLUMN_PARAMETERS = 78 };

static void print_row(Text *out, const RowOfCall *row) {
  const LayerCall *call = row->call;
  text_format(out, "%5d", row->line);
  text_pad(out, COLUMN_LAYER, 1);
  text_string(out, clipped(out->arena, row->path, COLUMN_CALL - COLUMN_LAYER - 2));
  text_pad(out, COLUMN_CALL, 1);
  text_string(out, clipped(out->arena, call->call, COLUMN_OUTPUT - COLUMN_CALL - 2));
  text_pad(out, COLUMN_OUTPUT, 1);
  if (call->has_type) text_string(out, type_text(out->arena, &call->type));
  if (call->parameters) {
    Text number = text_new(out->arena);
    text_thousands(&number, call->parameters);
    text_pad(out, COLUMN_PARAMETERS + 11 - number.length, 1);
    text_string(out, text_get(&number));
  }
  if (row->flops) {
    text_pad(out, COLUMN_PARAMETERS + 11, 0);
    text_format(out, " %9.3f", (double)row->flops / 1e6);
  }
  if (row->count > 1) text_format(out, "  x%d", row->count);
  text_char(out, '\n');
}

void check_rows_print(Text *out, const Elaboration *extra, const Module *module, const Function *f,
                      const Sources *sources, bool all) {
  (void)module;
  text_string(out, " line");
  text_pad(out, COLUMN_LAYER, 1);
  text_string(out, "layer");
  text_pad(out, COLUMN_CALL, 1);
  text_string(out, "operation");
  text_pad(out, COLUMN_OUTPUT, 1);
  text_string(out, "output");
  text_pad(out, COLUMN_PARAMETERS + 1, 1);
  text_string(out, "parameters     MFLOP\n");
  for (int i = 0; i < f->body->argument_count; i++) {
    const Value *input = f->body->arguments[i];
    text_format(out, "%5d", f->at ? f->at->line : 0);
    text_pad(out, COLUMN_CALL, 1);
    text_string(out, input->name);
    text_pad(out, COLUMN_OUTPUT, 1);
    text_format(out, "%s\n", type_text(out->arena, &input->type));
  }
  RowList rows = rows_of(out->arena, extra, f, sources, all);
  for (size_t i = 0; i < rows.items.count; i++) print_row(out, &rows.items.items[i]);
}

json_t *check_rows_json(const Elaboration *extra, const Module *module, const Function *f,
                        const Sources *sources) {
  json_t *list = json_array();
  RowList rows = rows_of(module->arena, extra, f, sources, true);
  for (size_t i = 0; i < rows.items.count; i++) {
    const RowOfCall *row = &rows.items.items[i];
    json_t *one = json_object(), *shape = json_array();
    json_object_set_new(one, "line", json_integer(row->line));
    json_object_set_new(one, "column", json_integer(row->column));
    json_object_set_new(one, "path", json_string(row->path));
    json_object_set_new(one, "call", json_string(row->call->call));
    for (int a = 0; row->call->has_type && a < row->call->type.rank; a++) {
      Text text = text_new(module->arena);
      dim_print(&text, row->call->type.dims[a]);
      if (dim_is_constant(row->call->type.dims[a]))
        json_array_append_new(shape, json_integer(dim_value(row->call->type.dims[a])));
      else
        json_array_append_new(shape, json_string(text_get(&text)));
    }
    json_object_set_new(one, "shape", shape);
    json_object_set_new(one, "parameters", json_integer(row->call->parameters));
    json_object_set_new(one, "flop", json_integer(row->flops));
    json_array_append_new(list, one);
  }
  return list;
}
