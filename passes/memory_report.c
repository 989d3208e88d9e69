#include "passes/memory_report.h"

#include "ir/part.h"
#include "ir/trip.h"
#include "passes/fuse_region.h"
#include "passes/offsets.h"
#include "passes/plan.h"

#include <stdlib.h>
#include <string.h>

static int64_t rounded(const Value *value) {
  return (type_bytes_at_bound(&value->type) + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

static bool is_result(const Function *function, const Value *value) {
  for (int i = 0; i < function->body->yield_count; i++)
    if (function->body->yields[i] == value) return true;
  return false;
}

MemorySum memory_naive(const Function *function) {
  MemorySum sum = {0, 0};
  for (const Op *op = function->body->first; op; op = op->next) {
    if (op->kind == OP_read || op->kind == OP_constant || op->kind == OP_windows ||
        operator_has(op->kind, TRAIT_VIEW) || op_is_generator(op))
      continue;
    for (int i = 0; i < op->result_count; i++) {
      if (is_result(function, op->results[i])) continue;
      sum.bytes += rounded(op->results[i]);
      sum.values++;
    }
  }
  return sum;
}

static int compare_buffers(const void *a, const void *b) {
  const MemoryBuffer *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x->first - y->first;
}

/* The part of the arena that a loop's body makes its values in. */
static void body_extent(const Block *block, int64_t *from, int64_t *to) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->kind == OP_scan) body_extent(op->region, from, to);
    for (int i = 0; i < op->result_count; i++) {
      const MemoryPlace *place = &op->results[i]->place;
      if (place->kind != PLACE_ARENA) continue;
      int64_t end = place->offset + rounded(op->results[i]);
      if (*to == 0 || place->offset < *from) *from = place->offset;
      if (end > *to) *to = end;
    }
  }
}

/* The arena's storage that a value lies in: follows places, not operations, so that it holds for a
 * graph read from text too. */
static const Value *storage(const Value *value) {
  while (value->place.of) value = value->place.of;
  return value;
}

typedef struct {
  const Value **values;
  MemoryBuffer *buffers;
  int count;
} Buffers;

static int find_buffer(const Buffers *b, const Value *value, const int *of) {
  return value->mark > 0 && value->mark <= b->count && b->values[value->mark - 1] == value
             ? of[value->mark - 1]
             : -1;
}

MemoryReport memory_report(Arena *arena, const Function *planned, MemorySum naive) {
  MemoryReport report = {.function = planned, .naive = naive, .peak = -1};
  int values = 0, steps = 0;
  for (const Op *op = planned->body->first; op; op = op->next) {
    values += op->result_count + (op->kind == OP_scan);
    steps += op_makes_kernel(op);
  }
  Buffers b = {ARENA_ARRAY(arena, (size_t)values + 1, const Value *),
               ARENA_ARRAY(arena, (size_t)values + 1, MemoryBuffer), 0};
  int *of = ARENA_ARRAY(arena, (size_t)values + 1, int), merged = 0;
  report.steps = ARENA_ARRAY(arena, (size_t)steps + 1, MemoryStep);
  for (const Op *op = planned->body->first; op; op = op->next) {
    if (!op_makes_kernel(op)) continue;
    int step = report.step_count++, over = -1;
    report.steps[step].op = op;
    int64_t from = 0, to = 0;
    if (op_is_apart(op)) {
      int64_t trip = trip_bytes(op);
      if (trip > report.trip) report.trip = trip;
    } else if (op->kind == OP_scan) {
      body_extent(op->region, &from, &to);
    }
    if (to > from) b.buffers[merged++] = (MemoryBuffer){NULL, op, from, to - from, step, step};
    for (int i = 0; i < op->operand_count; i++) {
      int at = find_buffer(&b, storage(op->operands[i]), of);
      if (at >= 0) b.buffers[at].last = step;
    }
    for (int i = 0; i < op->result_count; i++) {
      Value *value = op->results[i];
      if (value->place.kind != PLACE_ARENA) continue;
      const Value *whole = value_whole(value);
      if (whole) value = (Value *)(uintptr_t)whole;
      int known = find_buffer(&b, value, of);
      if (known >= 0) { /* a part of it was made before */
        b.buffers[known].last = step;
        continue;
      }
      for (int j = 0; j < op->operand_count; j++) {
        int at = find_buffer(&b, storage(op->operands[j]), of);
        if (at >= 0 && b.buffers[at].offset == value->place.offset) over = at;
      }
      if (over < 0) {
        b.buffers[merged] =
            (MemoryBuffer){value, NULL, value->place.offset, rounded(value), step, step};
        over = merged++;
      }
      b.values[b.count] = value;
      of[b.count++] = over;
      value->mark = b.count;
      over = -1;
    }
  }
  Interval *intervals = ARENA_ARRAY(arena, (size_t)merged + 1, Interval);
  for (int i = 0; i < merged; i++) {
    const MemoryBuffer *buffer = &b.buffers[i];
    intervals[i] = (Interval){buffer->first, buffer->last, buffer->bytes, buffer->offset};
    report.fused.bytes += buffer->bytes;
    for (int s = buffer->first; s <= buffer->last; s++) report.steps[s].alive += buffer->bytes;
  }
  report.fused.values = merged;
  if (merged) report.bound = intervals_bound(arena, intervals, merged, steps, &report.peak);
  report.plan = planned->arena_bytes;
  qsort(b.buffers, (size_t)merged, sizeof *b.buffers, compare_buffers);
  report.buffers = b.buffers;
  report.buffer_count = merged;
  for (int i = 0; i < merged && report.plan > report.bound; i++)
    if (b.buffers[i].offset + b.buffers[i].bytes == report.plan) report.above = &b.buffers[i];
  return report;
}

/* ---- text ---- */

enum { MOST_COLUMNS = 10, COLUMN = 5 };

/* "k1" of a fused kernel k1_conv_tanh, "pad" of an operation alone. */
static const char *step_name(Arena *arena, const Op *op) {
  if (op->kind != OP_fused) return operator_infos[op->kind].name;
  return arena_string(arena, op->symbol, strcspn(op->symbol, "_"));
}

static void value_name(Text *text, const Value *value) {
  if (value->name)
    text_format(text, "%%%s", value->name);
  else
    text_format(text, "%%%d", value->number);
}

static void buffer_name(Text *text, const MemoryBuffer *buffer) {
  if (buffer->value)
    value_name(text, buffer->value);
  else
    text_string(text, "a trip");
}

static void buffer_type(Text *text, const MemoryBuffer *buffer) {
  if (buffer->value)
    type_print(text, &buffer->value->type);
  else
    text_string(text, "in the loop");
}

static const Op *buffer_op(const MemoryBuffer *buffer) {
  return buffer->value ? buffer->value->op : buffer->scan;
}

/* "7:8 conv2d_1" */
static void place(Text *text, const Op *op) {
  if (op->at) text_format(text, "%d:%d", op->at->line, op->at->column);
  if (op->at && op->layer) text_char(text, ' ');
  if (op->layer) text_string(text, op->layer);
}

static void sum_line(Text *text, const char *name, int64_t bytes) {
  Text number = text_new(text->arena);
  text_thousands(&number, bytes);
  text_format(text, "  %-12s %13s  %9.2f MiB", name, text_get(&number), (double)bytes / (1 << 20));
}

static void title(Text *text, const MemoryReport *report) {
  const Module *module = report->function->module;
  text_format(text, "memory of %s", report->function->name);
  const char *before = " at ";
  for (int i = 0; i < dim_symbol_count(module->dims); i++) {
    const Symbol *symbol = dim_symbol_at(module->dims, i);
    if (symbol->is_index || symbol->min == symbol->max) continue;
    text_format(text, "%s%s=%lld", before, symbol->name, (long long)symbol->max);
    before = ", ";
  }
  text_format(text, "; a tensor's bytes are rounded up to %d\n", PLAN_ALIGN);
}

static void peak_line(Text *text, const MemoryReport *report) {
  const MemoryStep *step = &report->steps[report->peak];
  text_format(text, "  peak at %s", step_name(text->arena, step->op));
  if (step->op->at || step->op->layer) {
    text_string(text, " (");
    place(text, step->op);
    text_char(text, ')');
  }
  const char *before = ": ";
  for (int i = 0; i < report->buffer_count; i++) {
    const MemoryBuffer *buffer = &report->buffers[i];
    if (buffer->first > report->peak || buffer->last < report->peak) continue;
    double share = 100.0 * (double)buffer->bytes / (double)report->bound;
    if (share < 1) continue;
    text_string(text, before);
    buffer_name(text, buffer);
    text_format(text, " %.1f %%", share);
    if (buffer_op(buffer)->at || buffer_op(buffer)->layer) {
      text_string(text, " (");
      place(text, buffer_op(buffer));
      text_char(text, ')');
    }
    before = ", ";
  }
  text_char(text, '\n');
}

static void table(Text *text, const MemoryReport *report) {
  int from = report->peak - MOST_COLUMNS / 2, to;
  if (from + MOST_COLUMNS > report->step_count) from = report->step_count - MOST_COLUMNS;
  if (from < 0) from = 0;
  to = from + MOST_COLUMNS < report->step_count ? from + MOST_COLUMNS : report->step_count;
  size_t names = 28, columns = names;
  for (int i = 0; i < report->buffer_count; i++) {
    const MemoryBuffer *buffer = &report->buffers[i];
    if (buffer->last < from || buffer->first >= to) continue;
    Text one = text_new(text->arena);
    buffer_name(&one, buffer);
    text_pad(&one, 6, 1);
    buffer_type(&one, buffer);
    size_t length = names + strlen(text_get(&one)) + 1;
    if (length > columns) columns = length;
  }
  if (columns > 100 - COLUMN * MOST_COLUMNS) columns = 100 - COLUMN * MOST_COLUMNS;
  text_string(text, "       offset        bytes");
  text_pad(text, columns, 1);
  for (int s = from; s < to; s++)
    text_format(text, " %-4.4s", step_name(text->arena, report->steps[s].op));
  text_char(text, '\n');
  for (int i = 0; i < report->buffer_count; i++) {
    const MemoryBuffer *buffer = &report->buffers[i];
    if (buffer->last < from || buffer->first >= to) continue;
    Text offset = text_new(text->arena), bytes = text_new(text->arena);
    text_thousands(&offset, buffer->offset);
    text_thousands(&bytes, buffer->bytes);
    text_format(text, "%13s%13s  ", text_get(&offset), text_get(&bytes));
    Text one = text_new(text->arena);
    buffer_name(&one, buffer);
    text_pad(&one, 6, 1);
    buffer_type(&one, buffer);
    size_t length = strlen(text_get(&one)), room = columns - names;
    if (length <= room)
      text_string(text, text_get(&one));
    else
      text_format(text, "%.*s..%s", (int)(room / 2 - 1), text_get(&one),
                  text_get(&one) + length - (room - room / 2 - 1));
    text_pad(text, columns, 0);
    for (int s = from; s < to; s++)
      text_string(text, s >= buffer->first && s <= buffer->last ? "|####" : "|    ");
    text_string(text, "|\n");
  }
  text_pad(text, names, 0);
  text_string(text, "alive, KiB");
  text_pad(text, columns, 1);
  for (int s = from; s < to; s++)
    text_format(text, "%5lld", (long long)((report->steps[s].alive + 512) / 1024));
  text_char(text, '\n');
  if (to - from < report->step_count)
    text_format(text, "  steps %d to %d of %d; --memory=svg draws all\n", from + 1, to,
                report->step_count);
}

void memory_report_text(Text *text, const MemoryReport *report) {
  title(text, report);
  sum_line(text, "naive", report->naive.bytes);
  text_format(text, "   %d values, a buffer each\n", report->naive.values);
  sum_line(text, "fused", report->fused.bytes);
  text_format(text, "   %d of them are left\n", report->fused.values);
  sum_line(text, "lower bound", report->bound);
  text_string(text, "   the most that is alive at one time\n");
  sum_line(text, "plan", report->plan);
  text_format(text, "   %.3f of the bound\n",
              report->bound ? (double)report->plan / (double)report->bound : 1.0);
  if (report->trip) {
    sum_line(text, "pieces", report->trip);
    text_string(text, "   of each thread, for a few pictures at a time\n");
  }
  if (report->above) {
    text_string(text, "  above the bound: ");
    buffer_name(text, report->above);
    text_string(text, " did not fit below\n");
  }
  if (report->peak < 0) return;
  peak_line(text, report);
  table(text, report);
}

/* ---- drawing: time to the right, offset upwards ---- */

void memory_report_svg(Text *text, const MemoryReport *report) {
  const double width = 1000, height = 500, left = 20, top = 40;
  double step = report->step_count ? width / report->step_count : width;
  double byte = report->plan ? height / (double)report->plan : 0;
  text_format(text,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
              "font-family=\"monospace\" font-size=\"10\">\n",
              width + 2 * left, height + top + 40);
  Text head = text_new(text->arena);
  title(&head, report);
  text_format(text, "<text x=\"%.0f\" y=\"20\" font-size=\"14\">%.*s</text>\n", left,
              (int)strcspn(text_get(&head), "\n"), text_get(&head));
  for (int i = 0; i < report->buffer_count; i++) {
    const MemoryBuffer *buffer = &report->buffers[i];
    double x = left + buffer->first * step, w = (buffer->last - buffer->first + 1) * step;
    double h = (double)buffer->bytes * byte;
    double y = top + height - (double)buffer->offset * byte - h;
    int hue = (buffer->value ? buffer->value->number : buffer->first) * 47 % 360;
    Text name = text_new(text->arena), type = text_new(text->arena);
    buffer_name(&name, buffer);
    buffer_type(&type, buffer);
    text_format(
        text,
        "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
        "fill=\"hsl(%d,60%%,75%%)\" stroke=\"#444\" stroke-width=\"0.5\"><title>%s %s, %lld "
        "bytes at %lld</title></rect>\n",
        x, y, w, h, hue, text_get(&name), text_get(&type), (long long)buffer->bytes,
        (long long)buffer->offset);
    if (w > 40 && h > 11)
      text_format(text, "<text x=\"%.2f\" y=\"%.2f\">%s</text>\n", x + 3, y + h / 2 + 4,
                  text_get(&name));
  }
  if (report->peak >= 0) {
    double x = left + (report->peak + 0.5) * step;
    text_format(
        text,
        "<line x1=\"%.2f\" y1=\"%.0f\" x2=\"%.2f\" y2=\"%.0f\" stroke=\"#c00\" "
        "stroke-dasharray=\"3\"/>\n<text x=\"%.2f\" y=\"%.0f\" fill=\"#c00\">peak: %s, %lld "
        "bytes</text>\n",
        x, top, x, top + height, left, top + height + 20,
        step_name(text->arena, report->steps[report->peak].op), (long long)report->bound);
  }
  text_string(text, "</svg>\n");
}
