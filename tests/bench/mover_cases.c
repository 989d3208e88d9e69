#include "tests/bench/mover_cases.h"

/* $a, $b .. are sizes, $A .. twice as much. A model's text begins with its inputs, that of what
 * changes tensors with these. */
typedef struct {
  const char *name, *text;
  int sizes[2][4];
} Mover;

#define LAYER_NORM                                                                                 \
  "  %0 = sum %x {axis=[1], keepdims=true} : f32[$a,1]\n"                                          \
  "  %1 = constant {value=0.001} : f32[]\n  %2 = mul %0, %1 : f32[$a,1]\n"                         \
  "  %3 = sub %x, %2 : f32[$a,$b]\n  %4 = mul %3, %3 : f32[$a,$b]\n"                               \
  "  %5 = sum %4 {axis=[1], keepdims=true} : f32[$a,1]\n  %6 = mul %5, %1 : f32[$a,1]\n"           \
  "  %7 = constant {value=1e-5} : f32[]\n  %8 = add %6, %7 : f32[$a,1]\n"                          \
  "  %9 = rsqrt %8 : f32[$a,1]\n  %10 = mul %3, %9 : f32[$a,$b]\n"                                 \
  "  %11 = mul %10, %g : f32[$a,$b]\n  %12 = add %11, %c : f32[$a,$b]\n"
#define BATCH_NORM                                                                                 \
  "  %0 = sum %x {axis=[0,1,2], keepdims=true} : f32[1,1,1,$c]\n"                                  \
  "  %1 = constant {value=$d} : f32[]\n  %2 = div %0, %1 : f32[1,1,1,$c]\n"                        \
  "  %3 = sub %x, %2 : f32[$a,$b,$b,$c]\n  %4 = mul %3, %3 : f32[$a,$b,$b,$c]\n"                   \
  "  %5 = sum %4 {axis=[0,1,2], keepdims=true} : f32[1,1,1,$c]\n"                                  \
  "  %6 = div %5, %1 : f32[1,1,1,$c]\n  %7 = constant {value=1e-5} : f32[]\n"                      \
  "  %8 = add %6, %7 : f32[1,1,1,$c]\n  %9 = rsqrt %8 : f32[1,1,1,$c]\n"                           \
  "  %10 = mul %9, %g : f32[1,1,1,$c]\n  %s = sub %x, %2 : f32[$a,$b,$b,$c]\n"                     \
  "  %11 = mul %s, %10 : f32[$a,$b,$b,$c]\n  %12 = add %11, %c : f32[$a,$b,$b,$c]\n"
#define CROSS_ENTROPY                                                                              \
  "  %0 = max %x {axis=[1], keepdims=true} : f32[$a,1]\n"                                          \
  "  %1 = stop_gradient %0 : f32[$a,1]\n  %2 = sub %x, %1 : f32[$a,$b]\n"                          \
  "  %3 = exp %2 : f32[$a,$b]\n  %4 = sum %3 {axis=[1], keepdims=true} : f32[$a,1]\n"              \
  "  %5 = log %4 : f32[$a,1]\n  %6 = sub %2, %5 : f32[$a,$b]\n"                                    \
  "  %7 = iota {axis=0} : i64[$a]\n  %8 = gather %6, %7 {axis=1, batch=1} : f32[$a]\n"             \
  "  %9 = sum %8 {axis=[0]} : f32\n"
#define GATHERED(by)                                                                               \
  "  %0 = iota {axis=0} : i64[$a]\n  %1 = constant {value=" by "} : i64[]\n"                       \
  "  %2 = mul %0, %1 : i64[$a]\n  %3 = constant {value=$c} : i64[]\n"                              \
  "  %4 = div %2, %3 : i64[$a]\n  %5 = mul %4, %3 : i64[$a]\n  %6 = sub %2, %5 : i64[$a]\n"
#define MAP "f32[$a,$b,$b,$c]"

static const Mover movers[] = {
    {"relu",
     "(%x: f32[$a]) -> f32[$a] {\n  %0 = constant {value=0} : f32[]\n"
     "  %1 = maximum %x, %0 : f32[$a]\n  return %1\n}\n",
     {{32768}, {16 << 20}}},
    {"add",
     "(%x: f32[$a], %y: f32[$a]) -> f32[$a] {\n  %0 = add %x, %y : f32[$a]\n  return %0\n}\n",
     {{32768}, {16 << 20}}},
    {"bias of channels",
     "(%x: f32[$a,$b], %c: f32[$b]) -> f32[$a,$b] {\n  %0 = add %x, %c : f32[$a,$b]\n"
     "  return %0\n}\n",
     {{512, 64}, {1 << 18, 64}}},
    {"factor of rows",
     "(%x: f32[$a,$b], %c: f32[$a,1]) -> f32[$a,$b] {\n  %0 = mul %x, %c : f32[$a,$b]\n"
     "  return %0\n}\n",
     {{128, 256}, {65536, 256}}},
    {"to bf16",
     "(%x: f32[$a]) -> bf16[$a] {\n  %0 = cast %x {to=bf16} : bf16[$a]\n  return %0\n}\n",
     {{32768}, {16 << 20}}},
    {"dropout",
     "(%x: f32[$a]) -> f32[$a] {\n  %0 = random {site=3} : f32[$a]\n"
     "  %1 = constant {value=0.9} : f32[]\n  %2 = lt %0, %1 : bool[$a]\n"
     "  %3 = mul %x, %1 : f32[$a]\n  %4 = constant {value=0} : f32[]\n"
     "  %5 = where %2, %3, %4 : f32[$a]\n  return %5\n}\n",
     {{32768}, {16 << 20}}},
    {"softmax of 1000",
     "(%x: f32[$a,$b]) -> f32[$a,$b] {\n  %0 = softmax %x {axis=1} : f32[$a,$b]\n  return %0\n}\n",
     {{32, 1000}, {16384, 1000}}},
    {"softmax of 50257",
     "(%x: f32[$a,$b]) -> f32[$a,$b] {\n  %0 = softmax %x {axis=1} : f32[$a,$b]\n  return %0\n}\n",
     {{1, 50257}, {512, 50257}}},
    {"cross entropy of 50257",
     "func train @f(%x: f32[$a,$b]) -> f32 {\n" CROSS_ENTROPY "  return %9\n}\n",
     {{1, 50257}, {512, 50257}}},
    {"cross entropy's gradient",
     "func train @f(%x: f32[$a,$b]) -> f32[$a,$b] {\n" CROSS_ENTROPY
     "  %10 = grad %9, %x : f32[$a,$b]\n  return %10\n}\n",
     {{1, 50257}, {512, 50257}}},
    {"layer norm of 768",
     "(%x: f32[$a,$b], %g: f32[$b], %c: f32[$b]) -> f32[$a,$b] {\n" LAYER_NORM "  return %12\n}\n",
     {{48, 768}, {24576, 768}}},
    {"layer norm of 1024",
     "(%x: f32[$a,$b], %g: f32[$b], %c: f32[$b]) -> f32[$a,$b] {\n" LAYER_NORM "  return %12\n}\n",
     {{32, 1024}, {16384, 1024}}},
    {"layer norm of 65536",
     "(%x: f32[$a,$b], %g: f32[$b], %c: f32[$b]) -> f32[$a,$b] {\n" LAYER_NORM "  return %12\n}\n",
     {{1, 32768}, {256, 65536}}},
    {"layer norm's gradient, 768",
     "func train @f(%x: f32[$a,$b], %dy: f32[$a,$b], %g: f32[$b], %c: f32[$b]) "
     "-> (f32[$a,$b], f32[$b], f32[$b]) {\n" LAYER_NORM
     "  %13 = mul %12, %dy : f32[$a,$b]\n  %14 = sum %13 {axis=[0,1]} : f32\n"
     "  %15, %16, %17 = grad %14, %x, %g, %c : f32[$a,$b], f32[$b], f32[$b]\n"
     "  return %15, %16, %17\n}\n",
     {{32, 768}, {16384, 768}}},
    {"batch norm",
     "func train @f(%x: " MAP ", %g: f32[$c], %c: f32[$c]) -> " MAP " {\n" BATCH_NORM
     "  return %12\n}\n",
     {{2, 16, 64, 512}, {32, 64, 128, 131072}}},
    {"batch norm's gradient",
     "func train @f(%x: " MAP ", %dy: " MAP ", %g: f32[$c], %c: f32[$c]) "
     "-> (" MAP ", f32[$c], f32[$c]) {\n" BATCH_NORM "  %13 = mul %12, %dy : " MAP
     "\n  %14 = sum %13 {axis=[0,1,2,3]} : f32\n"
     "  %15, %16, %17 = grad %14, %x, %g, %c : " MAP ", f32[$c], f32[$c]\n"
     "  return %15, %16, %17\n}\n",
     {{1, 16, 64, 256}, {32, 64, 128, 131072}}},
    {"max pooling 3x3/2",
     "(%x: f32[$a,$B,$B,$c]) -> " MAP " {\n  %0 = windows %x {axes=[1,2], kernel=[3,3], "
     "stride=[2,2], pad=[[1,0],[1,0]], value=-inf} : f32[$a,$b,$b,$c,3,3]\n"
     "  %1 = max %0 {axis=[4,5]} : " MAP "\n  return %1\n}\n",
     {{1, 14, 64}, {16, 80, 64}}},
    {"max pooling 3x3/1",
     "(%x: " MAP ") -> " MAP " {\n  %0 = windows %x {axes=[1,2], kernel=[3,3], "
     "pad=[[1,1],[1,1]], value=-inf} : f32[$a,$b,$b,$c,3,3]\n"
     "  %1 = max %0 {axis=[4,5]} : " MAP "\n  return %1\n}\n",
     {{1, 14, 160}, {16, 56, 256}}},
    {"max pooling 2x2/2",
     "(%x: f32[$a,$B,$B,$c]) -> " MAP " {\n  %0 = windows %x {axes=[1,2], kernel=[2,2], "
     "stride=[2,2], value=-inf} : f32[$a,$b,$b,$c,2,2]\n"
     "  %1 = max %0 {axis=[4,5]} : " MAP "\n  return %1\n}\n",
     {{1, 14, 64}, {16, 80, 64}}},
    {"max pooling 3x3/1, which",
     "(%x: " MAP ") -> (" MAP ", u8[$a,$b,$b,$c]) {\n  %0 = windows %x {axes=[1,2], kernel=[3,3], "
     "pad=[[1,1],[1,1]], value=-inf} : f32[$a,$b,$b,$c,3,3]\n"
     "  %1 = max %0 {axis=[4,5]} : " MAP "\n"
     "  %2 = reshape %0 {shape=[$a,$b,$b,$c,9]} : f32[$a,$b,$b,$c,9]\n"
     "  %3 = argmax %2 {axis=4} : i64[$a,$b,$b,$c]\n"
     "  %4 = cast %3 {to=u8} : u8[$a,$b,$b,$c]\n  return %1, %4\n}\n",
     {{1, 14, 128}, {16, 56, 256}}},
    {"max pooling's gradient 3x3/2",
     "func train @f(%x: f32[$a,$B,$B,$c], %dy: " MAP ") -> f32[$a,$B,$B,$c] {\n"
     "  %0 = windows %x {axes=[1,2], kernel=[3,3], stride=[2,2], pad=[[1,0],[1,0]], value=-inf} "
     ": f32[$a,$b,$b,$c,3,3]\n  %1 = max %0 {axis=[4,5]} : " MAP "\n"
     "  %2 = mul %1, %dy : " MAP "\n  %3 = sum %2 {axis=[0,1,2,3]} : f32\n"
     "  %4 = grad %3, %x : f32[$a,$B,$B,$c]\n  return %4\n}\n",
     {{1, 10, 64}, {16, 56, 64}}},
    {"average pooling 3x3/1",
     "(%x: " MAP ") -> " MAP " {\n  %0 = windows %x {axes=[1,2], kernel=[3,3], "
     "pad=[[1,1],[1,1]], value=0} : f32[$a,$b,$b,$c,3,3]\n"
     "  %1 = sum %0 {axis=[4,5]} : " MAP "\n  %2 = constant {value=0.11} : f32[]\n"
     "  %3 = mul %1, %2 : " MAP "\n  return %3\n}\n",
     {{1, 14, 160}, {16, 56, 256}}},
    {"average pooling's gradient 3x3/1",
     "(%dy: " MAP ") -> " MAP " {\n"
     "  %0 = reshape %dy {shape=[$a,$b,$b,$c,1,1]} : f32[$a,$b,$b,$c,1,1]\n"
     "  %1 = broadcast %0 {shape=[$a,$b,$b,$c,3,3]} : f32[$a,$b,$b,$c,3,3]\n"
     "  %2 = overlap_add %1 {axes=[1,2], kernel=[3,3], pad=[[1,1],[1,1]], size=[$b,$b]} : " MAP
     "\n  return %2\n}\n",
     {{1, 14, 160}, {16, 56, 256}}},
    {"overlap_add 3x3/1",
     "(%x: f32[$a,$b,$b,$c,3,3]) -> " MAP " {\n"
     "  %0 = overlap_add %x {axes=[1,2], kernel=[3,3], pad=[[1,1],[1,1]], size=[$b,$b]} : " MAP
     "\n  return %0\n}\n",
     {{1, 14, 32}, {16, 56, 64}}},
    {"global pooling",
     "(%x: " MAP ") -> f32[$a,$c] {\n  %0 = sum %x {axis=[1,2]} : f32[$a,$c]\n"
     "  %1 = constant {value=0.02} : f32[]\n  %2 = mul %0, %1 : f32[$a,$c]\n  return %2\n}\n",
     {{1, 7, 1024}, {64, 16, 2048}}},
    {"nearest, twice as large",
     "(%x: " MAP ") -> f32[$a,$B,$B,$c] {\n"
     "  %0 = reshape %x {shape=[$a,$b,1,$b,1,$c]} : f32[$a,$b,1,$b,1,$c]\n"
     "  %1 = broadcast %0 {shape=[$a,$b,2,$b,2,$c]} : f32[$a,$b,2,$b,2,$c]\n"
     "  %2 = reshape %1 {shape=[$a,$B,$B,$c]} : f32[$a,$B,$B,$c]\n  return %2\n}\n",
     {{1, 12, 64}, {16, 80, 64}}},
    {"nearest, planes",
     "(%x: f32[$a,$c,$b,$b]) -> f32[$a,$c,$B,$B] {\n"
     "  %0 = reshape %x {shape=[$a,$c,$b,1,$b,1]} : f32[$a,$c,$b,1,$b,1]\n"
     "  %1 = broadcast %0 {shape=[$a,$c,$b,2,$b,2]} : f32[$a,$c,$b,2,$b,2]\n"
     "  %2 = reshape %1 {shape=[$a,$c,$B,$B]} : f32[$a,$c,$B,$B]\n  return %2\n}\n",
     {{1, 12, 64}, {16, 80, 64}}},
    {"pad",
     "(%x: " MAP ") -> f32[$a,$d,$d,$c] {\n"
     "  %0 = pad %x {before=[0,1,1,0], after=[0,1,1,0]} : f32[$a,$d,$d,$c]\n  return %0\n}\n",
     {{1, 22, 64, 24}, {16, 112, 64, 114}}},
    {"concat of channels",
     "(%x: f32[$a,$b], %y: f32[$a,$c]) -> f32[$a,$d] {\n"
     "  %0 = concat %x, %y {axis=1} : f32[$a,$d]\n  return %0\n}\n",
     {{256, 64, 64, 128}, {1 << 17, 64, 64, 128}}},
    {"slice of channels",
     "(%x: f32[$a,$b]) -> f32[$a,$c] {\n"
     "  %0 = slice %x {start=[0,$c], stop=[$a,$b], step=[1,1]} : f32[$a,$c]\n  return %0\n}\n",
     {{256, 128, 64}, {1 << 18, 128, 64}}},
    {"transpose",
     "(%x: f32[$a,$b]) -> f32[$b,$a] {\n  %0 = transpose %x {perm=[1,0]} : f32[$b,$a]\n"
     "  return %0\n}\n",
     {{128, 256}, {4096, 4096}}},
    {"transpose, rows of 4 KB",
     "(%x: f32[$a,$b]) -> f32[$b,$a] {\n  %0 = transpose %x {perm=[1,0]} : f32[$b,$a]\n"
     "  return %0\n}\n",
     {{32, 1024}, {16384, 1024}}},
    {"transpose, rows of 3 KB",
     "(%x: f32[$a,$b]) -> f32[$b,$a] {\n  %0 = transpose %x {perm=[1,0]} : f32[$b,$a]\n"
     "  return %0\n}\n",
     {{48, 768}, {24576, 768}}},
    {"transpose, odd sizes",
     "(%x: f32[$a,$b]) -> f32[$b,$a] {\n  %0 = transpose %x {perm=[1,0]} : f32[$b,$a]\n"
     "  return %0\n}\n",
     {{131, 251}, {4099, 4003}}},
    {"planes to pixels",
     "(%x: f32[$a,$c,$b,$b]) -> " MAP " {\n  %0 = transpose %x {perm=[0,2,3,1]} : " MAP "\n"
     "  return %0\n}\n",
     {{1, 14, 160}, {16, 56, 256}}},
    {"pixels to planes",
     "(%x: " MAP ") -> f32[$a,$c,$b,$b] {\n"
     "  %0 = transpose %x {perm=[0,3,1,2]} : f32[$a,$c,$b,$b]\n  return %0\n}\n",
     {{1, 14, 160}, {16, 56, 256}}},
    {"images to pixels",
     "(%x: f32[$a,3,$b,$b]) -> f32[$a,$b,$b,3] {\n"
     "  %0 = transpose %x {perm=[0,2,3,1]} : f32[$a,$b,$b,3]\n  return %0\n}\n",
     {{1, 96}, {96, 224}}},
    {"heads",
     "(%x: f32[$a,$b,12,64]) -> f32[$a,12,$b,64] {\n"
     "  %0 = transpose %x {perm=[0,2,1,3]} : f32[$a,12,$b,64]\n  return %0\n}\n",
     {{1, 48}, {24, 1024}}},
    {"embedding of 768",
     "(%t: f32[$c,$b]) -> f32[$a,$b] {\n" GATHERED(
         "7919") "  %7 = gather %t, %6 {axis=0} : f32[$a,$b]\n  return %7\n}\n",
     {{32, 768, 48}, {24576, 768, 50257}}},
    {"embedding of 64",
     "(%t: f32[$c,$b]) -> f32[$a,$b] {\n" GATHERED(
         "7919") "  %7 = gather %t, %6 {axis=0} : f32[$a,$b]\n  return %7\n}\n",
     {{512, 64, 400}, {262144, 64, 500009}}},
    {"embedding's gradient, 768",
     "(%u: f32[$a,$b]) -> f32[$c,$b] {\n" GATHERED(
         "7919") "  %7 = full {value=0} : f32[$c,$b]\n"
                 "  %8 = scatter_add %7, %6, %u {axis=0} : f32[$c,$b]\n  return %8\n}\n",
     {{32, 768, 48}, {24576, 768, 32003}}},
    {"sum of rows",
     "(%x: f32[$a,$b]) -> f32[$a] {\n  %0 = sum %x {axis=[1]} : f32[$a]\n  return %0\n}\n",
     {{64, 1000}, {32768, 1000}}},
    {"greatest of rows",
     "(%x: f32[$a,$b]) -> f32[$a] {\n  %0 = max %x {axis=[1]} : f32[$a]\n  return %0\n}\n",
     {{64, 1000}, {32768, 1000}}},
    {"which of rows is greatest",
     "(%x: f32[$a,$b]) -> i64[$a] {\n  %0 = argmax %x {axis=1} : i64[$a]\n  return %0\n}\n",
     {{64, 1000}, {32768, 1000}}},
    {"sum over rows",
     "(%x: f32[$a,$b]) -> f32[$b] {\n  %0 = sum %x {axis=[0]} : f32[$b]\n  return %0\n}\n",
     {{64, 1024}, {32768, 1024}}},
    {"greatest over rows",
     "(%x: f32[$a,$b]) -> f32[$b] {\n  %0 = max %x {axis=[0]} : f32[$b]\n  return %0\n}\n",
     {{64, 1024}, {32768, 1024}}},
    {"which over rows is greatest",
     "(%x: f32[$a,$b]) -> i64[$b] {\n  %0 = argmax %x {axis=0} : i64[$b]\n  return %0\n}\n",
     {{64, 1024}, {32768, 1024}}},
    {"sum of all",
     "(%x: f32[$a,$b]) -> f32 {\n  %0 = sum %x {axis=[0,1]} : f32\n  return %0\n}\n",
     {{64, 1024}, {32768, 1024}}},
    {"sgd with momentum",
     "param @p : f32[$a]\nstate @v : f32[$a]\n"
     "func train @f(%g: f32[$a]) -> f32 {\n  %p = read @p : f32[$a]\n  %v = read @v : f32[$a]\n"
     "  %0 = constant {value=0.9} : f32\n  %1 = mul %v, %0 : f32[$a]\n"
     "  %2 = add %1, %g : f32[$a]\n  %3 = constant {value=0.01} : f32\n"
     "  %4 = mul %2, %3 : f32[$a]\n  %5 = sub %p, %4 : f32[$a]\n  write @v %2\n"
     "  write @p %5\n  return %3\n}\n",
     {{16384}, {8 << 20}}},
    {"adam",
     "param @p : f32[$a]\nstate @m : f32[$a]\nstate @v : f32[$a]\n"
     "func train @f(%g: f32[$a]) -> f32 {\n  %p = read @p : f32[$a]\n  %m = read @m : f32[$a]\n"
     "  %v = read @v : f32[$a]\n  %0 = constant {value=0.9} : f32\n"
     "  %1 = mul %m, %0 : f32[$a]\n  %2 = constant {value=0.1} : f32\n"
     "  %3 = mul %g, %2 : f32[$a]\n  %4 = add %1, %3 : f32[$a]\n"
     "  %5 = constant {value=0.999} : f32\n  %6 = mul %v, %5 : f32[$a]\n"
     "  %7 = constant {value=0.001} : f32\n  %8 = mul %g, %g : f32[$a]\n"
     "  %9 = mul %8, %7 : f32[$a]\n  %10 = add %6, %9 : f32[$a]\n"
     "  %11 = sqrt %10 : f32[$a]\n  %12 = constant {value=1e-8} : f32\n"
     "  %13 = add %11, %12 : f32[$a]\n  %14 = mul %4, %7 : f32[$a]\n"
     "  %15 = div %14, %13 : f32[$a]\n  %16 = sub %p, %15 : f32[$a]\n  write @m %4\n"
     "  write @v %10\n  write @p %16\n  return %7\n}\n",
     {{16384}, {8 << 20}}},
};
enum { MOVERS = sizeof movers / sizeof *movers };

static void add_sized(Text *text, const char *form, const int *sizes) {
  for (const char *c = form; *c; c++) {
    if (*c != '$')
      text_char(text, *c);
    else if (*++c < 'a')
      text_format(text, "%d", 2 * sizes[*c - 'A']);
    else
      text_format(text, "%d", sizes[*c - 'a']);
  }
}

bool mover_case(size_t number, Text *name, Text *text) {
  if (number >= (size_t)2 * MOVERS) return false;
  const Mover *m = &movers[number / 2];
  const int *sizes = m->sizes[number % 2];
  text_format(name, "%s, %s", m->name, number % 2 ? "memory" : "L2");
  text_string(text, "module mover\n");
  if (m->text[0] == '(') text_string(text, "func model @f");
  add_sized(text, m->text, sizes);
  return true;
}
