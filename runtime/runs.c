/* A run as a command: its texts one after the other, and what is said of them. */
#include "runtime/runs.h"
#include "runtime/element.h"
#include "runtime/json.h"
#include "runtime/unicode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  dlrt_runner r;
  dlrt_program *program;
  dlrt_file file; /* of texts */
  char *written;  /* for -o FILE */
  size_t size;
  FILE *to; /* where texts go, NULL with --json */
  int64_t texts;
  int64_t prompt, tokens;         /* of the last one */
  double prompt_seconds, seconds; /* of the last one: until its first token, from there on */
} command;

/* ---- what is said ---- */

/* Bytes that a call of the repeated line moves; 0: not known. */
static double moved(const dlrt_runner *r) {
  const dlrt_entry *entry = r->lines[r->run->repeated].entry;
  double sum = 0, bytes;
  for (int64_t i = 0; i < entry->step_count && !entry->loop_count; i++) {
    dlrt_step_work(&entry->steps[i], r->dims, &bytes);
    sum += bytes;
  }
  return sum;
}

static void say(const command *c, const char *why) {
  const dlrt_runner *r = &c->r;
  if (c->program->quiet) return;
  fprintf(stderr, "%s %s token%s %.2f s; %s token%s %.2f s", r->source < 0 ? "prompt" : "source",
          dlrt_thousands(c->prompt), c->prompt == 1 ? "" : "s", c->prompt_seconds,
          dlrt_thousands(c->tokens), c->tokens == 1 ? "" : "s", c->seconds);
  if (c->tokens > 1 && c->seconds > 0) {
    double bytes = moved(r);
    fprintf(stderr, ", %.1f/s", (double)c->tokens / c->seconds);
    if (bytes > 0) fprintf(stderr, ", %.1f GB/s", bytes * (double)c->tokens / c->seconds * 1e-9);
  }
  if (dlrt_runner_cache(r))
    fprintf(stderr, "; cache %s of %s", dlrt_thousands(r->seen),
            dlrt_thousands(dlrt_runner_cache(r)));
  fputc('\n', stderr);
  if (strcmp(why, "full") == 0)
    fprintf(stderr, "stopped: the cache is full (%s)\n", r->full ? r->full : "its bound");
}

/* JSON is UTF-8: what is none becomes U+FFFD. */
static void put_text(FILE *to, const char *text, size_t size) {
  const unsigned char *at = (const unsigned char *)text, *end = at + size;
  char *clean = malloc(3 * size + 1), *room = clean;
  while (clean && at < end) {
    uint32_t character;
    size_t step = dlrt_utf8(at, end, &character);
    memcpy(room, step && *at ? (const char *)at : "\xef\xbf\xbd", step && *at ? step : 3);
    room += step && *at ? step : 3;
    at += step ? step : 1;
  }
  if (clean) *room = 0;
  dlrt_json_put(to, clean ? clean : "");
  free(clean);
}

static void put_json(const command *c, const dlrt_sink *sink, const char *why, int64_t begun) {
  const dlrt_runner *r = &c->r;
  printf("%s{\"prompt\":%lld,\"tokens\":[", c->texts ? "," : "", (long long)c->prompt);
  for (int64_t i = begun; i < r->length; i++)
    printf("%s%lld", i > begun ? "," : "", (long long)r->text[i]);
  printf("],\"text\":");
  put_text(stdout, sink->held ? sink->held : "", sink->size);
  printf(",\"stopped\":\"%s\",\"seconds\":%.6f}", why, c->prompt_seconds + c->seconds);
}

/* ---- a text ---- */

/* The tokens that the chosen value begins with: the prompt, or the start token. */
static int begin(command *c, const uint32_t *tokens, int64_t count) {
  dlrt_runner *r = &c->r;
  const dlrt_program *p = c->program;
  int64_t most = p->token_count ? p->token_count : DLRT_USUAL_TOKENS;
  uint32_t start = (uint32_t)r->start;
  if (r->source >= 0 || !count) {
    if (r->start < 0) {
      dlrt_complain(p, EXIT_USAGE, "no token is known to begin with");
      dlrt_hint(r->source < 0 ? "give a text, or write start = TOKEN in the run"
                              : "write start = TOKEN in the run, or use a vocabulary with <s>");
      return EXIT_USAGE;
    }
    if (r->start >= r->classes)
      return dlrt_complain(p, EXIT_INPUT, "the start token %lld: there are %lld",
                           (long long)r->start, (long long)r->classes);
    tokens = &start;
    count = 1;
  }
  int code = dlrt_runner_room(r, count + most);
  return code ? code : dlrt_runner_begin(r, tokens, count);
}

static int write_text(command *c, const char *text, size_t size) {
  dlrt_runner *r = &c->r;
  dlrt_sink sink = {.runner = r, .to = c->to, .stop = c->program->stop, .first = true};
  const char *why = "end";
  uint32_t *tokens;
  int64_t count = dlrt_runner_encode(r, text, size, &tokens);
  if (count < 0) return EXIT_INPUT;
  double started = dlrt_seconds();
  int code = r->source >= 0 ? dlrt_runner_source(r, tokens, count) : 0;
  if (!code) code = begin(c, tokens, count);
  int64_t begun = r->length;
  c->prompt = count;
  c->prompt_seconds = dlrt_seconds() - started;
  started = dlrt_seconds();
  /* The text that goes on is shown whole; what it must not go on with may stand in it. */
  if (!code && r->source < 0) {
    sink.stop = NULL;
    for (int64_t i = 0; i < count; i++) dlrt_sink_token(&sink, tokens[i]);
    sink.stop = c->program->stop;
    if (c->program->json) sink.size = 0;
  }
  free(tokens);
  if (!code)
    code = r->beams > 1 ? dlrt_runner_search(r, &sink, &why) : dlrt_runner_draw(r, &sink, &why);
  c->seconds = dlrt_seconds() - started;
  c->tokens = r->length - begun;
  if (!code) {
    dlrt_sink_end(&sink, c->tokens && strcmp(why, "end") && strcmp(why, "stop"));
    if (c->program->json)
      put_json(c, &sink, why, begun);
    else
      fputc('\n', c->to);
    if (!c->program->quiet) fflush(c->to ? c->to : stdout);
    say(c, why);
  }
  free(sink.held);
  c->texts++;
  return code ? code : strcmp(why, "interrupt") ? 0 : EXIT_INTERRUPT;
}

/* ---- without a choice ---- */

static int write_values(command *c) {
  dlrt_runner *r = &c->r;
  const dlrt_call_line *last = &r->lines[r->run->line_count - 1];
  dlrt_result *results = calloc((size_t)last->entry->output_count + 1, sizeof *results);
  int count = 0;
  if (!results) return dlrt_complain(c->program, EXIT_INPUT, "no memory for the results");
  for (int64_t k = 0; k < last->entry->output_count; k++) {
    int64_t number = last->line->outputs[k];
    const dlrt_port *port = &last->entry->outputs[k];
    if (number < 0) continue;
    const dlrt_value *value = &r->values[number];
    results[count] = (dlrt_result){.name = value->name,
                                   .element = (dlrt_element)port->element,
                                   .rank = (int)port->rank,
                                   .data = value->data};
    memcpy(results[count++].shape, value->shape, sizeof value->shape);
  }
  const char *path = c->program->output ? c->program->output : "-";
  dlrt_status status = dlrt_array_write(path, results, count, &c->program->error);
  free(results);
  return status ? dlrt_complain_status(c->program, status, &c->program->error) : 0;
}

/* Does a text of the same tokens come out of it, in whole numbers of the text's shape? Its value,
 * or -1. Arrays that are asked for by name stay arrays. */
static int64_t filled_value(const dlrt_runner *r) {
  const dlrt_call_line *last = &r->lines[r->run->line_count - 1];
  const char *path = r->program->output;
  int64_t found = -1;
  if (r->run->chosen >= 0 || r->source < 0 || !r->program->tokens) return -1;
  if (path && dlrt_array_names(path)) return -1;
  for (int64_t k = 0; k < last->entry->output_count; k++) {
    if (last->line->outputs[k] < 0) continue;
    if (found >= 0) return -1;
    found = last->line->outputs[k];
  }
  if (found < 0) return -1;
  const dlrt_value *value = &r->values[found], *source = &r->values[r->source];
  bool whole = value->port->element == DLRT_I64 || value->port->element == DLRT_I32;
  if (!whole || value->port->rank != 2) return -1;
  dlrt_axis a = value->axes[1], b = source->axes[1];
  return a.dim == b.dim && (a.dim >= 0 || a.length == b.length) ? found : -1;
}

static int call_once(command *c, const char *text, size_t size) {
  dlrt_runner *r = &c->r;
  uint32_t *tokens;
  int code = 0;
  if (r->source >= 0) {
    int64_t count = dlrt_runner_encode(r, text, size, &tokens);
    code = count < 0 ? EXIT_INPUT : dlrt_runner_source(r, tokens, count);
    c->prompt = count;
    free(tokens);
  }
  return code ? code : dlrt_runner_once(r);
}

/* The text that a call makes of one: its first row, without what filled the source up. */
static int write_filled(command *c, const char *text, size_t size) {
  dlrt_runner *r = &c->r;
  dlrt_sink sink = {.runner = r, .to = c->to, .first = true};
  double started = dlrt_seconds();
  int code = call_once(c, text, size);
  const dlrt_value *value = &r->values[filled_value(r)];
  int64_t count = c->prompt < value->shape[1] ? c->prompt : value->shape[1];
  c->prompt_seconds = dlrt_seconds() - started;
  if (!code) code = dlrt_runner_room(r, count);
  r->length = 0;
  for (int64_t i = 0; !code && i < count; i++) {
    size_t at = (size_t)i * dlrt_element_size(value->port->element);
    int64_t token = dlrt_element_get_integer(value->port->element, value->data + at);
    if (token < 0 || token >= dlrt_vocabulary_count(c->program->tokens))
      code = dlrt_complain(c->program, EXIT_INPUT,
                           "'%s' has %lld at place %lld, the vocabulary has %lld tokens",
                           value->name, (long long)token, (long long)i + 1,
                           (long long)dlrt_vocabulary_count(c->program->tokens));
    else
      dlrt_sink_token(&sink, r->text[r->length++] = token);
  }
  if (!code && sink.failed) code = dlrt_complain(c->program, EXIT_INPUT, "no memory to write");
  if (!code) {
    dlrt_sink_end(&sink, false);
    if (c->program->json)
      put_json(c, &sink, "end", 0);
    else
      fputc('\n', c->to);
  }
  free(sink.held);
  c->texts++;
  return code;
}

/* ---- texts ---- */

/* An empty line stays one. */
static int write_empty(command *c) {
  if (c->program->json)
    printf("%s{\"prompt\":0,\"tokens\":[],\"text\":\"\",\"stopped\":\"end\",\"seconds\":0}",
           c->texts ? "," : "");
  else
    fputc('\n', c->to);
  c->texts++;
  return 0;
}

static int each_line(command *c, const char *text, size_t size) {
  const char *at = text, *end = text + size;
  int code = 0;
  while (!code && at < end) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop) stop = end;
    size_t length = (size_t)(stop - at);
    if (length && at[length - 1] == '\r') length--;
    code = !length                ? write_empty(c)
           : c->r.run->chosen < 0 ? write_filled(c, at, length)
                                  : write_text(c, at, length);
    at = stop < end ? stop + 1 : end;
  }
  return code;
}

/* What was typed, or the file that the text's name was given. */
static int find_text(command *c, const char **text, size_t *size, bool *lines) {
  const dlrt_runner *r = &c->r;
  const dlrt_program *p = c->program;
  int64_t value = r->source >= 0 ? r->source : r->run->chosen;
  const char *path = p->text && strcmp(p->text, "-") == 0 ? "-" : NULL;
  *text = p->text ? p->text : "";
  for (int i = 0; value >= 0 && i < p->inputs.count; i++)
    if (dlrt_setting_is(&p->inputs.items[i], r->values[value].name))
      path = p->inputs.items[i].value;
  *size = strlen(*text);
  *lines = path && r->source >= 0;
  if (!path) {
    if (p->text || r->source < 0) return 0;
    dlrt_complain(p, EXIT_USAGE, "no text is given");
    dlrt_hint("%s %s \"TEXT\", or %s=FILE with a text in each line", p->path, r->run->name,
              r->values[value].name);
    return EXIT_USAGE;
  }
  dlrt_status status = dlrt_file_open(path, &c->file, &c->program->error);
  if (!status) status = dlrt_file_gunzip(path, &c->file, &c->program->error);
  if (status) return dlrt_complain_status(p, status, &p->error);
  *text = c->file.size ? (const char *)c->file.data : "";
  *size = c->file.size;
  return 0;
}

/* Names of values that a line gives, or that nothing has. */
static int check_names(const command *c) {
  const dlrt_runner *r = &c->r;
  const dlrt_program *p = c->program;
  for (int i = 0; i < p->inputs.count; i++) {
    bool known = false;
    for (int64_t v = 0; v < r->run->value_count; v++)
      known = known || (dlrt_setting_is(&p->inputs.items[i], r->values[v].name) &&
                        (v == r->run->chosen ? r->source < 0 : r->values[v].given));
    if (!known)
      return dlrt_complain(p, EXIT_USAGE, "'%s' takes no '%.*s'", r->run->name,
                           (int)p->inputs.items[i].name_length, p->inputs.items[i].name);
  }
  if (r->beams > 1 && r->run->chosen < 0)
    return dlrt_complain(p, EXIT_USAGE, "--beams: '%s' chooses nothing", r->run->name);
  if (r->beams == 1 || r->run->line_count > r->run->repeated + 1) return 0;
  for (int64_t i = 0; i < r->run->line_count; i++)
    if (dlrt_entry_remembers(r->model, r->lines[i].entry)) {
      dlrt_complain(p, EXIT_INPUT,
                    "--beams: models write states, whose rows must follow the beams");
      dlrt_hint(
          "model reorder(beam: i64[N]) { for s in states(..) { s <- gather(s, beam, axis=0) } }"
          ", and beam -> reorder in the run");
      return EXIT_INPUT;
    }
  return 0;
}

static int commit(const command *c) {
  dlrt_output output;
  dlrt_error *error = &c->program->error;
  dlrt_status status = dlrt_output_open(c->program->output, &output, error);
  if (!status) {
    status = dlrt_output_write(&output, c->written, c->size, error);
    status = dlrt_output_close(&output, status, error);
  }
  return status ? dlrt_complain_status(c->program, status, error) : 0;
}

static int run(command *c) {
  dlrt_program *p = c->program;
  dlrt_runner *r = &c->r;
  const char *text;
  size_t size;
  bool lines, chooses = p->run->chosen >= 0;
  int code = dlrt_kept_read(p);
  if (!code) code = dlrt_runner_open(r, p);
  if (!code) code = check_names(c);
  if (!code) code = dlrt_runner_given(r);
  if (!code) code = find_text(c, &text, &size, &lines);
  if (code) return code;
  if (!chooses && filled_value(r) < 0) {
    code = call_once(c, text, size);
    return code ? code : write_values(c);
  }
  if (p->temperature < 0) p->temperature = r->source < 0 ? 1 : 0;
  if (p->top_p <= 0) p->top_p = 1;
  if (p->length_penalty < 0) p->length_penalty = 0.6;
  bool kept = p->output && strcmp(p->output, "-");
  c->to = p->json ? NULL : kept ? open_memstream(&c->written, &c->size) : stdout;
  if (!c->to && !p->json) return dlrt_complain(p, EXIT_INPUT, "no memory to write");
  if (p->json) printf("{\"run\":\"%s\",\"texts\":[", r->run->name);
  code = lines     ? each_line(c, text, size)
         : chooses ? write_text(c, text, size)
                   : write_filled(c, text, size);
  if (p->json) printf("]}\n");
  if (!kept || p->json) return code;
  bool failed = ferror(c->to) != 0;
  if ((fclose(c->to) || failed) && !code) code = dlrt_complain(p, EXIT_INPUT, "no memory to write");
  return code ? code : commit(c);
}

int dlrt_runs(dlrt_program *program) {
  command c = {.program = program};
  int code = run(&c);
  dlrt_file_close(&c.file);
  free(c.written);
  dlrt_runner_close(&c.r);
  return code;
}
