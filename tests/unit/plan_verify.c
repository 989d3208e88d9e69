/* passes/plan_verify: plans as `plan` makes them hold, and edited ones are refused. */
#include "passes/plan_verify.h"

#include "ir/module_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char joins[] =
    "module net after plan\n"
    "dim N <= 8\n"
    "func model @net(%x: f32[N,16] in caller, %w: f32[16,16] in caller+1) -> f32[N,16] in caller\n"
    "     plan {arena=2048, align=64} {\n"
    "  %1 = tanh %x : f32[N,16] in arena+0\n"
    "  %2 = exp %x : f32[N,16] in arena+576\n"
    "  %3 = concat %1, %2 {axis=1} : f32[N,32] in arena+512\n"
    "  %4 = dot %1, %w {contract=[[1],[0]]} : f32[N,16] in arena+1536\n"
    "  %5 = slice %3 {start=[0,0], stop=[N,16]} : f32[N,16] in arena+0\n"
    "  %6 = add %5, %4 : f32[N,16] in caller\n"
    "  return %6\n"
    "}\n";

static const char views[] = "module net after plan\n"
                            "func model @net(%x: f32[4,16] in caller) -> f32[2,16] in caller\n"
                            "     plan {arena=256, align=64} {\n"
                            "  %1 = exp %x : f32[4,16] in arena+0\n"
                            "  %2 = slice %1 {start=[2,0], stop=[4,16]} : f32[2,16] in %1+128\n"
                            "  %3 = constant {value=2} : f32\n"
                            "  %4 = fused @k0_mul (%a = %2, %b = %3) {\n"
                            "    %5 = mul %a, %b : f32[2,16]\n"
                            "    yield %5\n"
                            "  } : f32[2,16] in caller\n"
                            "  return %4\n"
                            "}\n";

static const char writes[] = "module net after plan\n"
                             "state @w : f32[4]\n"
                             "state @v : f32[4]\n"
                             "func model @net(%x: f32[4] in caller) -> f32[4] in caller\n"
                             "     plan {arena=64, align=64} {\n"
                             "  %1 = read @w : f32[4] in state+0\n"
                             "  %2 = read @v : f32[4] in state+0\n"
                             "  %3 = add %1, %x : f32[4] in arena+0\n"
                             "  %4 = mul %1, %2 : f32[4] in state+0\n"
                             "  %5 = exp %4 : f32[4] in caller\n"
                             "  %6 = fused @k3_copy (%7 = %3) {\n"
                             "    yield %7\n"
                             "  } : f32[4] in state+0\n"
                             "  write @w %6\n"
                             "  write @v %4\n"
                             "  return %5\n"
                             "}\n";

static const char loops[] = "module net after plan\n"
                            "func model @net(%x: f32[6,4] in caller, %h: f32[4] in caller+1) -> "
                            "(f32[4] in caller, f32[6,4] "
                            "in caller)\n"
                            "     plan {arena=192, align=64} {\n"
                            "  %8 = exp %h : f32[4] in arena+128\n"
                            "  %1, %2 = scan (each %a = %x, carry %s = %8) {\n"
                            "    %3 = exp %a : f32[4] in arena+0\n"
                            "    %4 = add %3, %s : f32[4] in arena+0\n"
                            "    %6 = sum %4 {axis=[0], keepdims=true} : f32[1] in arena+64\n"
                            "    %7 = add %6, %s : f32[4] in caller+1\n"
                            "    yield %4 emit %7\n"
                            "  } : f32[4] in caller, f32[6,4] in caller+1\n"
                            "  return %1, %2\n"
                            "}\n";

static const char turned[] = "module net after plan\n"
                             "func model @net(%x: f32[4,3,8] in caller) -> (f32[4,6,16] in caller, "
                             "f32[4,3,16] in caller)\n"
                             "     plan {arena=1536, align=64} {\n"
                             "  %0 = tanh %x : f32[4,3,8] in arena+0\n"
                             "  %1 = exp %x : f32[4,3,8] in arena+32\n"
                             "  %2 = concat %0, %1 {axis=2} : f32[4,3,16] in arena+0\n"
                             "  %3 = concat %x, %x {axis=2} : f32[4,3,16] in caller+1\n"
                             "  %4 = concat %2, %3 {axis=1} : f32[4,6,16] in arena+0\n"
                             "  %5 = exp %4 : f32[4,6,16] in caller\n"
                             "  return %5, %3\n"
                             "}\n";

static const struct {
  const char *text, *from, *to, *message; /* message NULL: it holds */
} rows[] = {
    {joins, "", "", NULL},
    {views, "", "", NULL},
    {writes, "", "", NULL},
    {loops, "", "", NULL},
    {turned, "", "", NULL},
    /* places of their kind */
    {joins, "plan {arena=2048, align=64}", "", "@net has no plan"},
    {joins, "align=64", "align=16", "must be aligned to 64 bytes"},
    {joins, "arena=2048", "arena=1984", "%4 lies outside of the arena, which has 1984 bytes"},
    {joins, "arena+1536", "arena+9223372036854775744", "%4 lies outside of the arena"},
    {joins, "arena+1536", "arena+1540", "%4 cannot lie where it says: places are multiples of 64"},
    {joins, "caller+1", "caller", "%w of @net must be 'in caller', number 1"},
    {joins, "add %5, %4 : f32[N,16] in caller", "add %5, %4 : f32[N,16] in arena+512",
     "result 0 of @net is not made in the caller's memory"},
    {joins, "add %5, %4 : f32[N,16] in caller", "add %5, %4 : f32[N,16] in caller+1",
     "%6 cannot lie where it says: it is not that result"},
    {joins, "in arena+1536", "", "%4 cannot lie where it says: a kernel makes it"},
    {joins, "in arena+1536", "in %x", "%4 cannot lie where it says: a kernel makes it"},
    {views, "in %1+128", "in %1+64", "%2 cannot lie where it says: it is a view of its operand"},
    {views, "in %1+128", "in %x+128", "%2 cannot lie where it says: it is a view of its operand"},
    {views, "{value=2} : f32", "{value=2} : f32 in arena+0", "it is a constant"},
    {views, "mul %a, %b : f32[2,16]", "mul %a, %b : f32[2,16] in arena+0",
     "it is made in a kernel"},
    {writes, "read @w : f32[4] in state+0", "read @w : f32[4] in arena+0",
     "it is read from a tensor"},
    {writes, "read @w : f32[4] in state+0", "read @w : f32[4] in state+64",
     "a tensor is read from its start"},
    /* lives */
    {joins, "arena+1536", "arena+512", "%4 lies over %3, which is still needed"},
    {joins, "arena+1536", "arena+0", "%4 lies over %1, which is still needed"},
    {joins, "%5 = slice %3 {start=[0,0], stop=[N,16]} : f32[N,16] in arena+0",
     "%5 = slice %3 {start=[0,0], stop=[N,16]} : f32[N,16] in arena+1024",
     "%5 lies over %3, which is still needed"},
    {loops, "add %3, %s : f32[4] in arena+0", "add %3, %s : f32[4] in arena+64",
     "%6 lies over %4, which is still needed"},
    {loops, "in arena+64", "in arena+128", "what a loop makes lies over %8, which is still needed"},
    {loops, "add %3, %s : f32[4] in arena+0", "add %3, %s : f32[4] in caller",
     "%4 cannot lie where it says: a trip may need what it would write over"},
    /* parts of a concat: the product reads %1 as it lies, without gaps between its rows */
    {joins, "tanh %x : f32[N,16] in arena+0", "tanh %x : f32[N,16] in arena+512",
     "%1 cannot lie where it says: not all who make or read it can take it as a part"},
    {turned, "concat %x, %x {axis=2}", "concat %0, %x {axis=2}",
     "%2 cannot lie where it says: not all who make or read it can take it as a part"},
    /* writes */
    {writes, "add %1, %x : f32[4] in arena+0", "add %1, %x : f32[4] in state+0",
     "%3 cannot lie where it says: a tensor's old value is still needed, or it is not written"},
    {writes, "write @w %6", "write @w %3", "a tensor's old value is still needed"},
    {writes, "write @v %4", "", "%4 cannot lie where it says: a tensor's old value"},
    {writes, "write @v %4", "write @v %4 write @v %6", "a tensor's old value"},
};

static const char *replaced(Arena *arena, const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  if (!at) fail_msg("'%s' is not there", from);
  return arena_format(arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void edited_plans_are_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Arena *arena = arena_new();
    Sources *sources = sources_new(arena);
    Diagnostics *diagnostics = diagnostics_new(arena, sources);
    const char *text = replaced(arena, rows[i].text, rows[i].from, rows[i].to), *wanted;
    Module *module =
        module_parse(arena, diagnostics, sources_add(sources, "net.ir", NULL, text, strlen(text)));
    diag_flush(diagnostics, stderr, DIAG_TEXT, false, false);
    assert_non_null(module);
    const char *fault = plan_verify(arena, module, NULL);
    wanted = rows[i].message;
    if (wanted ? !fault || !strstr(fault, wanted) : fault != NULL)
      fail_msg("row %zu, '%s' for '%s': it says '%s', not '%s'", i, rows[i].to, rows[i].from,
               fault ? fault : "nothing", wanted ? wanted : "nothing");
    arena_free(arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(edited_plans_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
