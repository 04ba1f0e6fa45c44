/* SPDX-License-Identifier: MIT */
/* Protects the meaning of patterns: a table of Redis's answers, random patterns against a matcher
 * that is written to be plainly right, and patterns made to be slow. */
#include "text/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

struct glob_case {
    const char *pattern;
    const char *text;
    bool matches;
};

static void assert_case(const struct glob_case *glob_case, bool ignore_case)
{
    bool matches = glob_match(glob_case->pattern, strlen(glob_case->pattern), glob_case->text,
                              strlen(glob_case->text), ignore_case);
    if (matches != glob_case->matches)
        fail_msg("\"%s\" %s \"%s\"", glob_case->pattern, matches ? "matches" : "does not match",
                 glob_case->text);
}

/* Redis's answers. */
static const struct glob_case redis_cases[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"a", "a", true},
    {"a", "b", false},
    {"a", "aa", false},
    {"aa", "a", false},
    {"?", "", false},
    {"?", "a", true},
    {"?", "ab", false},
    {"h?llo", "hello", true},
    {"h?llo", "hllo", false},
    {"*", "", true},
    {"***", "", true},
    {"*", "anything", true},
    {"**", "anything", true},
    {"h*llo", "hllo", true},
    {"h*llo", "heeeello", true},
    {"h*llo", "heeeellos", false},
    {"*a", "aaa", true},
    {"a*", "a", true},
    {"a***", "a", true},
    {"*a*", "xax", true},
    {"*a*", "xyz", false},
    {"*ab*cd*", "xxabyyabcdzz", true},
    {"*ab*cd*", "xxcdyyabzz", false},
    {"*?", "", false},
    {"*?*?", "ab", true},
    {"*?*?", "a", false},
    /* classes */
    {"h[ae]llo", "hello", true},
    {"h[ae]llo", "hillo", false},
    {"h[^e]llo", "hallo", true},
    {"h[^e]llo", "hello", false},
    {"[a-c]", "b", true},
    {"[a-c]", "d", false},
    {"[c-a]", "b", true},
    {"[^a-c]", "b", false},
    {"[^a-c]", "d", true},
    {"[a-cx-z]", "y", true},
    {"[a-cx-z]", "m", false},
    {"[*?]", "*", true},
    {"[*?]", "a", false},
    {"[\\]]", "]", true},
    {"[\\^a]", "^", true},
    {"[a\\-c]", "-", true},
    {"[a\\-c]", "b", false},
    {"[a^]", "^", true},
    {"[!a]", "!", true},
    {"[!a]", "b", false},
    {"[-a]", "-", true},
    {"[ab]*[yz]", "a-to-z", true},
    {"*[0-9]", "key7", true},
    {"*[0-9]", "key", false},
    {"[a]", "", false},
    /* odd classes, as in Redis */
    {"[]", "]", false},
    {"[]", "a", false},
    {"[^]", "a", true},
    {"[^]", "", false},
    {"[]a", "a", false},
    {"[", "[", false},
    {"[", "a", false},
    {"[^", "a", true},
    {"[abc", "b", true},
    {"[abc", "bc", false},
    {"[a\\", "\\", true},
    {"[a-", "-", true},
    {"[a-", "a", true},
    {"[a-]", "]", true},
    {"[a-]", "_", true},
    {"[a-]", "b", false},
    {"[a-]", "-", false},
    {"[a-]x]", "^", true},
    /* escapes */
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"a\\?b", "a?b", true},
    {"a\\?b", "axb", false},
    {"\\[a]", "[a]", true},
    {"\\\\", "\\", true},
    {"\\a", "a", true},
    {"\\", "\\", true},
    {"a\\", "a\\", true},
    {"a\\", "a", false},
    {"*\\", "ab\\", true},
    {"]", "]", true},
    {"a-c", "a-c", true},
    /* case */
    {"Port", "port", false},
    {"[A-Z]", "p", false},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof redis_cases / sizeof *redis_cases; i++)
        assert_case(&redis_cases[i], false);
}

static void test_ignore_case(void **state)
{
    (void)state;
    static const struct glob_case cases[] = {
        {"MAX*", "maxclients", true},
        {"max*", "MAXCLIENTS", true},
        {"p[O]rt", "port", true},
        {"p[n-p]rt", "PORT", true},
        {"p[N-P]rt", "port", true},
        {"p[^O]rt", "port", false},
        {"\\P*", "port", true},
        {"[\\P]ort", "port", true},
        {"{", "[", false},
        {"@", "`", false},
        {"\xc9", "\xe9", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_case(&cases[i], true);
}

/* Any byte is a byte: NUL, and those above 127, also in ranges. */
static void test_bytes(void **state)
{
    (void)state;
    assert_true(glob_match("a\0*", 3, "a\0b", 3, false));
    assert_false(glob_match("a\0*", 3, "ab", 2, false));
    assert_true(glob_match("[\0]", 3, "\0", 1, false));
    assert_true(glob_match("?", 1, "\0", 1, false));
    assert_false(glob_match("a", 1, "a\0", 2, false));
    assert_true(glob_match("[\x80-\xff]", 5, "\xc3", 1, false));
    assert_false(glob_match("[\x80-\xff]", 5, "a", 1, false));
    assert_true(glob_match("[a-\xff]", 5, "z", 1, false));
    assert_true(glob_match(NULL, 0, NULL, 0, false));
    assert_true(glob_match("*", 1, NULL, 0, false));
    assert_false(glob_match(NULL, 0, "a", 1, false));
}

/* A matcher that tries every way for every star would not end before the sun does. */
static void test_many_stars(void **state)
{
    (void)state;
    enum { STARS = 1000, LETTERS = 20000 };
    char *pattern = malloc(2 * STARS + 1);
    char *text = malloc(LETTERS);
    assert_non_null(pattern);
    assert_non_null(text);
    memset(text, 'a', LETTERS);
    for (size_t i = 0; i < STARS; i++)
        memcpy(pattern + 2 * i, "a*", 2);
    pattern[2 * STARS] = 'b';
    assert_true(glob_match(pattern, 2 * STARS, text, LETTERS, false));
    assert_false(glob_match(pattern, 2 * STARS + 1, text, LETTERS, false));
    text[LETTERS - 1] = 'b';
    assert_true(glob_match(pattern, 2 * STARS + 1, text, LETTERS, false));
    memset(pattern, '*', 2 * STARS);
    assert_true(glob_match(pattern, 2 * STARS + 1, text, LETTERS, false));
    free(text);
    free(pattern);
}

/* As Redis answers: a star beyond the thousandth matches nothing, unless nothing comes behind
 * it. */
static void test_too_many_stars(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *unit, *end;
        unsigned units;
        bool matches;
    } rows[] = {
        {"", "*a", "", 1000, true},    {"", "*a", "", 1001, false},
        {"", "*a", "*", 1000, true},   {"", "*a", "*", 1001, false},
        {"", "*?", "", 1000, true},    {"", "*?", "", 1001, false},
        {"", "*[a]", "*", 1000, true}, {"", "*[a]", "*", 1001, false},
        {"", "*", "a*", 2000, true},   {"", "*", "", 2000, true},
        {"", "\\**", "", 1001, false}, {"", "a*", "***", 1001, true},
        {"", "a*", "", 1002, false},   {"[", "*a", "]*", 2000, true},
        {"*", "\\a", "", 1500, true},
    };
    char text[3000];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char pattern[8000];
        size_t size = (size_t)snprintf(pattern, sizeof pattern, "%s", rows[i].begin);
        for (unsigned j = 0; j < rows[i].units; j++)
            size += (size_t)snprintf(pattern + size, sizeof pattern - size, "%s", rows[i].unit);
        size += (size_t)snprintf(pattern + size, sizeof pattern - size, "%s", rows[i].end);
        if (glob_match(pattern, size, text, sizeof text, false) != rows[i].matches)
            fail_msg("row %zu, %u times \"%s\"", i, rows[i].units, rows[i].unit);
    }
}

/* However few steps are done at a time, the result is the same, and there is an end. */
static bool match_in_steps(const void *pattern, size_t pattern_size, const void *text,
                           size_t text_size, size_t steps)
{
    struct glob glob;
    glob_begin(&glob, pattern, pattern_size, text, text_size, false);
    enum glob_result result;
    do {
        size_t left = steps;
        result = glob_continue(&glob, &left);
    } while (result == GLOB_MORE);
    return result == GLOB_YES;
}

/* No call of a long match does much more than it was asked for. */
static void test_steps_are_short(void **state)
{
    (void)state;
    enum { LETTERS = 1000000, STEPS = 1000 };
    char *text = malloc(LETTERS);
    assert_non_null(text);
    memset(text, 'a', LETTERS);
    static const char *const patterns[] = {"*a*a*ab*", "*[ab]?[ab]?[ab]c*", "*aaaaaaaaaaaaa?b*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct glob glob;
        size_t calls = 0, most = 0, before = 0;
        glob_begin(&glob, patterns[i], strlen(patterns[i]), text, LETTERS, false);
        for (;; calls++) {
            size_t steps = STEPS;
            enum glob_result result = glob_continue(&glob, &steps);
            most = glob.start - before > most ? glob.start - before : most;
            before = glob.start;
            if (result != GLOB_MORE) {
                assert_int_equal(result, GLOB_NO);
                break;
            }
        }
        assert_true(calls >= LETTERS / STEPS / 2);
        assert_true(most <= 2 * STEPS);
    }
    free(text);
}

/* ---- the reference: the pattern as a list of sets of bytes, and a table of what fits what ---- */

enum { SIZE_MAX_RANDOM = 14 };

struct element {
    bool star;
    bool fits[256];
};

static size_t parse_class(const uint8_t *pattern, size_t size, size_t at, struct element *element)
{
    bool negated = false;
    if (at < size && pattern[at] == '^') {
        negated = true;
        at++;
    }
    for (;;) {
        if (at == size)
            break;
        if (pattern[at] == '\\' && at + 1 < size) {
            element->fits[pattern[at + 1]] = true;
            at += 2;
            continue;
        }
        if (pattern[at] == ']') {
            at++;
            break;
        }
        if (at + 2 < size && pattern[at + 1] == '-') {
            uint8_t low = pattern[at] < pattern[at + 2] ? pattern[at] : pattern[at + 2];
            uint8_t high = pattern[at] < pattern[at + 2] ? pattern[at + 2] : pattern[at];
            for (unsigned byte = low; byte <= high; byte++)
                element->fits[byte] = true;
            at += 3;
            continue;
        }
        element->fits[pattern[at]] = true;
        at++;
    }
    for (size_t i = 0; negated && i < 256; i++)
        element->fits[i] = !element->fits[i];
    return at;
}

static size_t parse_pattern(const uint8_t *pattern, size_t size, struct element *elements)
{
    size_t count = 0;
    for (size_t at = 0; at < size; count++) {
        struct element *element = &elements[count];
        memset(element, 0, sizeof *element);
        uint8_t byte = pattern[at++];
        if (byte == '*') {
            element->star = true;
        } else if (byte == '?') {
            memset(element->fits, true, sizeof element->fits);
        } else if (byte == '[') {
            at = parse_class(pattern, size, at, element);
        } else {
            if (byte == '\\' && at < size)
                byte = pattern[at++];
            element->fits[byte] = true;
        }
    }
    return count;
}

static bool reference_match(const uint8_t *pattern, size_t pattern_size, const uint8_t *text,
                            size_t text_size)
{
    struct element elements[SIZE_MAX_RANDOM];
    size_t count = parse_pattern(pattern, pattern_size, elements);
    /* fits[e][t]: whether the elements from e on match the text from t on. */
    bool fits[SIZE_MAX_RANDOM + 1][SIZE_MAX_RANDOM + 1] = {{false}};
    fits[count][text_size] = true;
    for (size_t e = count; e-- > 0;) {
        for (size_t t = text_size + 1; t-- > 0;) {
            bool more = t < text_size;
            if (elements[e].star)
                fits[e][t] = fits[e + 1][t] || (more && fits[e][t + 1]);
            else
                fits[e][t] = more && elements[e].fits[text[t]] && fits[e + 1][t + 1];
        }
    }
    return fits[0][0];
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static size_t random_bytes(uint64_t *seed, const char *letters, uint8_t *bytes)
{
    size_t size = next_random(seed) % (SIZE_MAX_RANDOM + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)letters[next_random(seed) % strlen(letters)];
    return size;
}

static void test_random(void **state)
{
    (void)state;
    const char *fixed = getenv("ANYSTORE_TEST_SEED");
    uint64_t seed = fixed ? strtoull(fixed, NULL, 10) : (uint64_t)time(NULL);
    print_message("ANYSTORE_TEST_SEED=%llu\n", (unsigned long long)seed);
    size_t matched = 0;
    for (int i = 0; i < 300000; i++) {
        uint8_t pattern[SIZE_MAX_RANDOM];
        uint8_t text[SIZE_MAX_RANDOM];
        /* Plain letters and stars match often; special ones are telling when they match. */
        bool special = next_random(&seed) % 2 == 0;
        size_t pattern_size = random_bytes(&seed, special ? "ab*?[]^-\\\xff" : "ab**?", pattern);
        size_t text_size = random_bytes(&seed, special ? "ab]^-\\_\xff" : "ab", text);
        bool expected = reference_match(pattern, pattern_size, text, text_size);
        bool matches =
            glob_match((const char *)pattern, pattern_size, (const char *)text, text_size, false);
        if (matches != expected)
            fail_msg("\"%.*s\" %s \"%.*s\"", (int)pattern_size, (const char *)pattern,
                     matches ? "matches" : "does not match", (int)text_size, (const char *)text);
        size_t steps = 1 + next_random(&seed) % 3;
        if (match_in_steps(pattern, pattern_size, text, text_size, steps) != expected)
            fail_msg("\"%.*s\", \"%.*s\" in steps of %zu", (int)pattern_size, (const char *)pattern,
                     (int)text_size, (const char *)text, steps);
        matched += matches;
    }
    /* Random texts that never match would prove nothing. */
    assert_true(matched > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_ignore_case),
        cmocka_unit_test(test_bytes),          cmocka_unit_test(test_many_stars),
        cmocka_unit_test(test_too_many_stars), cmocka_unit_test(test_steps_are_short),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
