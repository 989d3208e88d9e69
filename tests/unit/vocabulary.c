/* Vocabularies: pieces of texts, merges against a plain rule, files and back, rows of tokens. */
#include "runtime/corpus.h"
#include "runtime/tokens.h"
#include "runtime/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static dlrt_vocabulary *parsed(const char *text) {
  dlrt_vocabulary *v;
  dlrt_error error = {0};
  if (dlrt_vocabulary_parse("test", text, strlen(text), &v, &error))
    fail_msg("%s: %s", text, error.text);
  return v;
}

/* ---- characters ---- */

static void test_utf8(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    uint32_t character;
  } cases[] = {{"a", 1, 'a'},
               {"\xc2\x80", 2, 0x80},
               {"\xdf\xbf", 2, 0x7ff},
               {"\xe0\xa0\x80", 3, 0x800},
               {"\xef\xbf\xbf", 3, 0xffff},
               {"\xf0\x90\x80\x80", 4, 0x10000},
               {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
               {"\x80", 0, 0},
               {"\xc1\xbf", 0, 0},
               {"\xe0\x9f\xbf", 0, 0},
               {"\xed\xa0\x80", 0, 0},
               {"\xf4\x90\x80\x80", 0, 0},
               {"\xf0\x80\x80\x80", 0, 0},
               {"\xe2\x82", 0, 0},
               {"\xff", 0, 0},
               {"", 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const unsigned char *at = (const unsigned char *)cases[i].bytes;
    uint32_t character = 0;
    unsigned char back[4];
    assert_int_equal(dlrt_utf8(at, at + strlen(cases[i].bytes), &character), cases[i].size);
    if (!cases[i].size) continue;
    assert_int_equal(character, cases[i].character);
    assert_int_equal(dlrt_utf8_put(character, back), cases[i].size);
    assert_memory_equal(back, at, cases[i].size);
  }
  assert_int_equal(dlrt_class_of('a'), DLRT_LETTER);
  assert_int_equal(dlrt_class_of(0xe9), DLRT_LETTER);
  assert_int_equal(dlrt_class_of(0x4e00), DLRT_LETTER);
  assert_int_equal(dlrt_class_of('7'), DLRT_NUMBER);
  assert_int_equal(dlrt_class_of(0xbd), DLRT_NUMBER);
  assert_int_equal(dlrt_class_of(0x2003), DLRT_SPACE);
  assert_int_equal(dlrt_class_of(0x1c), DLRT_OTHER);
  assert_int_equal(dlrt_class_of('_'), DLRT_OTHER);
  assert_int_equal(dlrt_class_of(0x10ffff), DLRT_OTHER);
}

static void test_names(void **state) {
  (void)state;
  for (int i = 0; i < 256; i++)
    assert_int_equal(dlrt_byte_named(dlrt_byte_name((unsigned char)i)), i);
  assert_int_equal(dlrt_byte_name(' '), 0x120);
  assert_int_equal(dlrt_byte_name('\n'), 0x10a);
  assert_int_equal(dlrt_byte_named(' '), -1);
  assert_int_equal(dlrt_byte_ordered(0), '!');
  assert_int_equal(dlrt_byte_ordered(188), 0);
  assert_int_equal(dlrt_byte_ordered(220), ' ');
  assert_int_equal(dlrt_byte_ordered(255), 0xad);
}

/* ---- pieces ---- */

static void test_pieces(void **state) {
  (void)state;
  /* Pieces are parted by | on the right. */
  static const char *const cases[][2] = {
      {"Hello world", "Hello| world"},
      {"it's we'll don't I'd 'S", "it|'s| we|'ll| don|'t| I|'d| '|S"},
      {"  two   blanks \n\n end  ", " | two|  | blanks| \n\n| end|  "},
      {"x\n\ny", "x|\n|\n|y"},
      {"a1 22b", "a|1| 22|b"},
      {"!? ''s \"'s", "!?| ''|s| \"'|s"},
      {" \t!", " |\t|!"},
      {"\xc3\xa9t\xc3\xa9 \xff\xfe z", "\xc3\xa9t\xc3\xa9| \xff\xfe| z"},
      {"a\xc2\xa0\xc2\xa0"
       "b",
       "a|\xc2\xa0|\xc2\xa0|b"},
      {"a<s>b  <s> c", "a|<s>|b|  |<s>| c"},
      {"'r<s>", "'|r|<s>"},
      {"", ""}};
  dlrt_vocabulary *v = parsed("#version: 0.2 special <s>\n");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const unsigned char *at = (const unsigned char *)cases[i][0], *end = at + strlen(cases[i][0]);
    char found[100] = "";
    dlrt_piece piece;
    while (dlrt_piece_next(v, &at, end, 0, &piece)) {
      if (*found) strncat(found, "|", sizeof found - strlen(found) - 1);
      strncat(found, (const char *)piece.begin, piece.size);
      bool special = piece.size == 3 && memcmp(piece.begin, "<s>", 3) == 0;
      assert_int_equal(piece.special != DLRT_UNKNOWN, special);
    }
    assert_string_equal(found, cases[i][1]);
  }
  dlrt_vocabulary_free(v);
}

/* ---- merges ---- */

static uint32_t drawn(uint32_t *state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 8;
}

/* All places of the lowest rank, from left to right, again and again. */
static size_t plain(const dlrt_vocabulary *v, uint32_t *tokens, size_t count) {
  for (;;) {
    const dlrt_merge *best = NULL;
    for (size_t i = 0; i + 1 < count; i++) {
      const dlrt_merge *merge = dlrt_merge_of(v, tokens[i], tokens[i + 1]);
      if (merge && (!best || merge->rank < best->rank)) best = merge;
    }
    if (!best) return count;
    size_t to = 0;
    for (size_t i = 0; i < count; i++) {
      bool here = i + 1 < count && tokens[i] == best->left && tokens[i + 1] == best->right;
      tokens[to++] = here ? best->result : tokens[i];
      i += here;
    }
    count = to;
  }
}

/* Merges over three letters, some of which make the same token in two ways. */
static dlrt_vocabulary *random_merges(uint32_t *state) {
  dlrt_vocabulary *v = parsed("#version: 0.2 special\n");
  uint32_t tokens[64] = {v->of_byte['a'], v->of_byte['b'], v->of_byte['c']}, count = 3;
  while (count < 64) {
    uint32_t left = tokens[drawn(state) % count], right = tokens[drawn(state) % count];
    size_t m, n;
    unsigned char both[64];
    const unsigned char *first = dlrt_token(v, left, &m), *second = dlrt_token(v, right, &n);
    if (m + n > 12) continue;
    memcpy(both, first, m);
    memcpy(both + m, second, n);
    uint32_t made = dlrt_token_of(v, both, m + n);
    bool again;
    if (made == DLRT_UNKNOWN) {
      made = v->count;
      assert_true(dlrt_token_add(v, both, m + n, false));
      tokens[count++] = made;
    }
    assert_true(dlrt_merge_add(v, left, right, made, &again));
    if (again && drawn(state) % 50 == 0) break;
  }
  return v;
}

static void test_merges(void **state) {
  (void)state;
  uint32_t random = 7;
  for (int round = 0; round < 40; round++) {
    dlrt_vocabulary *v = random_merges(&random);
    dlrt_encoder *e = dlrt_encoder_new(v);
    for (int i = 0; i < 60; i++) {
      unsigned char text[400];
      uint32_t wanted[400];
      size_t size = 1 + drawn(&random) % (i % 3 ? 30 : 399);
      for (size_t k = 0; k < size; k++) text[k] = (unsigned char)('a' + drawn(&random) % 3);
      if (i % 5 == 0) memset(text, 'a', size);
      for (size_t k = 0; k < size; k++) wanted[k] = v->of_byte[text[k]];
      size_t count = plain(v, wanted, size);
      const unsigned char *at = text;
      const uint32_t *tokens;
      for (int again = 0; again < 2; again++, at = text) { /* then from memory */
        assert_int_equal(dlrt_encode(e, &at, text + size, 0, &tokens), count);
        assert_memory_equal(tokens, wanted, count * sizeof *tokens);
      }
    }
    dlrt_encoder_free(e);
    dlrt_vocabulary_free(v);
  }
}

/* A megabyte without an end of a word: quadratic time would be hours. */
static void test_long(void **state) {
  (void)state;
  enum { SIZE = 1 << 20 };
  dlrt_vocabulary *v = parsed("#version: 0.2\na a\naa aa\naaaa aaaa\n");
  unsigned char *text = malloc(SIZE);
  memset(text, 'a', SIZE);
  uint32_t *tokens;
  assert_int_equal(dlrt_encode_all(v, text, SIZE, &tokens), SIZE / 8);
  for (int i = 0; i < SIZE / 8; i++) assert_int_equal(tokens[i], 258);
  free(tokens);
  free(text);
  dlrt_vocabulary_free(v);
}

/* ---- to text ---- */

static size_t decoded(const dlrt_vocabulary *v, const uint32_t *tokens, int64_t count,
                      unsigned char *to) {
  bool first = true;
  size_t used = 0;
  for (int64_t i = 0; i < count; i++) used += dlrt_decode(v, tokens[i], &first, to + used);
  return used;
}

static void test_comes_back(void **state) {
  (void)state;
  static const char *const kinds[] = {"bytes", "#version: 0.2\nt h\nth e\n\xc4\xa0 the\n"};
  unsigned char text[3000], back[6000];
  uint32_t random = 3;
  for (int k = 0; k < 2; k++) {
    dlrt_vocabulary *v = parsed(kinds[k]);
    for (size_t i = 0; i < sizeof text; i++)
      text[i] = drawn(&random) % 3 ? (unsigned char)(drawn(&random) % 256)
                                   : (unsigned char)" the"[drawn(&random) % 4];
    uint32_t *tokens;
    int64_t count = dlrt_encode_all(v, text, sizeof text, &tokens);
    assert_int_equal(decoded(v, tokens, count, back), sizeof text);
    assert_memory_equal(back, text, sizeof text);
    free(tokens);
    dlrt_vocabulary_free(v);
  }
}

static void test_words(void **state) {
  (void)state;
  dlrt_vocabulary *v =
      parsed("#words 5 special <unk> <eos>\n<unk>\n<eos>\nthe\na\\\\b\n\xc3\xa9\n");
  static const char text[] = "the  cat\n\ta\\b \xc3\xa9\n\nthe<unk> <unk>";
  static const uint32_t wanted[] = {2, 0, 1, 3, 4, 1, 1, 0, 0};
  uint32_t *tokens;
  assert_int_equal(dlrt_encode_all(v, text, sizeof text - 1, &tokens), 9);
  assert_memory_equal(tokens, wanted, sizeof wanted);
  unsigned char back[100];
  size_t size = decoded(v, tokens, 7, back);
  assert_int_equal(size, strlen("the <unk>\na\\b \xc3\xa9\n\n"));
  assert_memory_equal(back, "the <unk>\na\\b \xc3\xa9\n\n", size);
  free(tokens);
  dlrt_vocabulary_free(v);
}

static void test_characters(void **state) {
  (void)state;
  dlrt_vocabulary *v = parsed("#characters 6 special <unk>\n<unk>\n\\n\n\\s\na\n\xc3\xa9\n\\xff\n");
  static const char text[] = "a \xc3\xa9\n\xff\xfe"
                             "b";
  static const uint32_t wanted[] = {3, 2, 4, 1, 5, 0, 0};
  uint32_t *tokens;
  assert_int_equal(dlrt_encode_all(v, text, sizeof text - 1, &tokens), 7);
  assert_memory_equal(tokens, wanted, sizeof wanted);
  unsigned char back[100];
  assert_int_equal(decoded(v, tokens, 7, back), 6); /* <unk> gives nothing */
  assert_memory_equal(back, text, 6);
  free(tokens);
  dlrt_vocabulary_free(v);
}

/* ---- files ---- */

static void test_texts(void **state) {
  (void)state;
  static const char *const texts[] = {
      "bytes", "#version: 0.2 special\n",
      "#version: 0.2 special <|endoftext|> <pad>\nt h\nth e\n\xc4\xa0 the\n# #\n",
      "#words 4 special <unk>\n<unk>\nthe\n#words\n\\x01\\s\\\\\n",
      "#characters 3 special\n\\r\n\\t\n\xf0\x9f\x98\x80\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    dlrt_vocabulary *v = parsed(texts[i]);
    char *text = dlrt_vocabulary_text(v);
    assert_string_equal(text, texts[i]);
    free(text);
    dlrt_vocabulary_free(v);
  }
  /* What is not said is GPT-2's. */
  dlrt_vocabulary *v = parsed("#version: 0.2\r\na b\r\nab c");
  assert_int_equal(dlrt_vocabulary_count(v), 259);
  assert_int_equal(dlrt_token_special(v, "<|endoftext|>"), 258);
  dlrt_vocabulary_free(v);
}

/* Numbers of their own: the bytes last. */
static void test_listed(void **state) {
  (void)state;
  char text[4000] = "#subwords 259 special <s>\n<s>\nab\nabc\n", *to = text + strlen(text);
  for (int i = 255; i >= 0; i--) {
    to += dlrt_utf8_put(dlrt_byte_name((unsigned char)i), (unsigned char *)to);
    *to++ = '\n';
  }
  snprintf(to, sizeof text - (size_t)(to - text), "a b\nab c\n");
  dlrt_vocabulary *v = parsed(text);
  uint32_t *tokens;
  assert_int_equal(dlrt_encode_all(v, "abc<s>b", 7, &tokens), 3);
  assert_int_equal(tokens[0], 2);
  assert_int_equal(tokens[1], 0);
  assert_int_equal(tokens[2], 3 + 255 - 'b');
  free(tokens);
  char *back = dlrt_vocabulary_text(v);
  assert_string_equal(back, text);
  free(back);
  dlrt_vocabulary_free(v);
}

static void test_bad(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"", "test:0: empty; a vocabulary begins with its kind"},
      {"hello\n", "test:1: no vocabulary: its first line says"},
      {"#words\nthe\n", "test:1: how many tokens follow?"},
      {"#words 99999999999999999999\n", "test:1: how many tokens follow?"},
      {"#words 2\nthe\n", "test:2: it ends before all its tokens"},
      {"#words 2\nthe\nthe\n", "test:3: a token is there twice"},
      {"#words 1\nthe\na\n", "test:2: more lines than tokens"},
      {"#words 1 special <s>\nthe\n", "test:2: a special token is not among the tokens"},
      {"#characters 1\n\\q\n", "test:2: this is no token"},
      {"#version: 0.2 but\n", "test:1: after the kind 'special NAME ..' may follow"},
      {"#version: 0.2\na b c\n", "test:2: a merge is two tokens with a blank between"},
      {"#version: 0.2\nab c\n", "test:2: a merge of what is no token yet"},
      {"#version: 0.2\na b\na b\n", "test:3: this merge is there twice"},
      {"#version: 0.2\na \xe2\x82\xac\n", "test:2: this is no token"},
      {"#subwords 1\na\n", "test: no token is the byte 0x00"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dlrt_vocabulary *v;
    dlrt_error error = {0};
    assert_int_equal(dlrt_vocabulary_parse("test", cases[i][0], strlen(cases[i][0]), &v, &error),
                     DLRT_BAD_FILE);
    assert_null(v);
    error.text[strlen(cases[i][1])] = 0;
    assert_string_equal(error.text, cases[i][1]);
  }
}

/* ---- rows ---- */

static void write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static void test_rows(void **state) {
  (void)state;
  static const char *const kinds[] = {"bytes", "#version: 0.2\nt h\nth e\n\xc4\xa0 the\ne r\n",
                                      "#words 3 special <unk>\n<unk>\nthe\nthere\n",
                                      "#characters 4 special <unk>\n<unk>\nt\nh\ne\n"};
  enum { SIZE = 5000, WINDOW = 7 };
  char path[] = "/tmp/dlrt-corpus-XXXXXX", text[SIZE];
  int file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
  uint32_t random = 11;
  for (int i = 0; i < SIZE; i++) text[i] = "there  \n\xc3\xa9"[drawn(&random) % 10];
  write_file(path, text, SIZE);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    dlrt_vocabulary *v = parsed(kinds[k]);
    dlrt_corpus *corpus;
    dlrt_error error = {0};
    uint32_t *tokens;
    int64_t count = dlrt_encode_all(v, text, SIZE, &tokens), row[WINDOW];
    assert_int_equal(dlrt_corpus_open(path, v, WINDOW, 2, &corpus, &error), DLRT_OK);
    assert_int_equal(dlrt_corpus_tokens(corpus), count);
    assert_int_equal(dlrt_corpus_rows(corpus), (count - 2) / WINDOW);
    for (int64_t r = dlrt_corpus_rows(corpus) - 1; r >= 0; r--)
      for (int64_t shift = 0; shift < 3; shift++) {
        assert_int_equal(dlrt_corpus_row(corpus, r, shift, row, &error), DLRT_OK);
        for (int i = 0; i < WINDOW; i++) assert_int_equal(row[i], tokens[r * WINDOW + shift + i]);
      }
    dlrt_corpus_close(corpus);
    assert_int_equal(dlrt_corpus_open(path, v, SIZE, 1, &corpus, &error), DLRT_BAD_FILE);
    free(tokens);
    dlrt_vocabulary_free(v);
  }
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_utf8),   cmocka_unit_test(test_names),
      cmocka_unit_test(test_pieces), cmocka_unit_test(test_merges),
      cmocka_unit_test(test_long),   cmocka_unit_test(test_comes_back),
      cmocka_unit_test(test_words),  cmocka_unit_test(test_characters),
      cmocka_unit_test(test_texts),  cmocka_unit_test(test_listed),
      cmocka_unit_test(test_bad),    cmocka_unit_test(test_rows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
