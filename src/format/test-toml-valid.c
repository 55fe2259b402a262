/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What TOML 1.0 allows, in the categories of the public toml-test suite: document and tree.
 *
 * The tree is written in one line: {key=value,...}, [value,...], strings quoted, "f" in front of floats, the
 * name of its type in front of a date. The expectations were made by another implementation (Python's
 * tomllib).
 */

#include <math.h>

#include "basic/buffer.h"
#include "basic/str.h"
#include "basic/test.h"
#include "format/toml.h"

#define DUMP_MAX (64 * KIB)

static const struct {
        const char *text, *tree;
} cases[] = {
        /* empty */
        { "", "{}" },
        { "\n", "{}" },
        { "   \t ", "{}" },
        { "\r\n\r\n", "{}" },
        { "\357\273\277", "{}" },
        { "\357\273\277a = 1", "{a=1}" },
        /* comments */
        { "# x", "{}" },
        { "#", "{}" },
        { "# x\r\n#y\n", "{}" },
        { "a = 1 # x", "{a=1}" },
        { "a = 1#x", "{a=1}" },
        { "a = 1 # \"\\ [ = #\n", "{a=1}" },
        { "# \t tab and \342\202\254\n", "{}" },
        { "a = [ # x\n 1, # y\n # z\n 2 # w\n]\n", "{a=[1,2]}" },
        { "a = \"# no comment\"", "{a=\"# no comment\"}" },
        { "a.b = 1 # x\n# y\n[t] # z\n", "{a={b=1},t={}}" },
        { "#a = 1\n\n#b", "{}" },
        { "# \302\200\303\277\364\217\277\277", "{}" },
        /* booleans */
        { "a = true\nb=false", "{a=true,b=false}" },
        /* integers */
        { "a = 42\nb = +99\nc = -17\nd = 0", "{a=42,b=99,c=-17,d=0}" },
        { "a = +0\nb = -0", "{a=0,b=0}" },
        { "a = 1_000\nb = 5_349_221\nc = 1_2_3_4_5\nd = -1_0", "{a=1000,b=5349221,c=12345,d=-10}" },
        { "a = 9223372036854775807\nb = -9223372036854775808",
          "{a=9223372036854775807,b=-9223372036854775808}" },
        { "a = 0xDEADBEEF\nb = 0xdeadbeef\nc = 0xdead_beef\nd = 0x0",
          "{a=3735928559,b=3735928559,c=3735928559,d=0}" },
        { "a = 0o01234567\nb = 0o755\nc = 0o7_5_5\nd = 0o0", "{a=342391,b=493,c=493,d=0}" },
        { "a = 0b11010110\nb = 0b0\nc = 0b1_0\nd = 0b0001", "{a=214,b=0,c=2,d=1}" },
        { "a = 0x00ff\nb = 0x7fffffffffffffff", "{a=255,b=9223372036854775807}" },
        { "a=0xe\nb=0xE1\nc=0xB_1", "{a=14,b=225,c=177}" },
        /* floats */
        { "a = 1.0\nb = 3.1415\nc = -0.01\nd = +1.5", "{a=f1,b=f3.1415000000000002,c=f-0.01,d=f1.5}" },
        { "a = 5e+22\nb = 1e06\nc = -2E-2\nd = 1E3\ne = 0e0",
          "{a=f4.9999999999999996e+22,b=f1000000,c=f-0.02,d=f1000,e=f0}" },
        { "a = 6.626e-34\nb = 1.5E+1\nc = 0.0e-1", "{a=f6.6259999999999998e-34,b=f15,c=f0}" },
        { "a = 224_617.445_991_228\nb = 1_0e1_0\nc = 1e1_000",
          "{a=f224617.44599122801,b=f100000000000,c=finf}" },
        { "a = inf\nb = +inf\nc = -inf", "{a=finf,b=finf,c=f-inf}" },
        { "a = nan\nb = +nan\nc = -nan", "{a=fnan,b=fnan,c=fnan}" },
        { "a = 0.0\nb = -0.0\nc = +0.0", "{a=f0,b=f-0,c=f0}" },
        { "a = 3.0\nb = 1e-324\nc = 1.7976931348623157e308\nd = 4.9e-324",
          "{a=f3,b=f0,c=f1.7976931348623157e+308,d=f4.9406564584124654e-324}" },
        { "a = 9_007_199_254_740_991.0", "{a=f9007199254740991}" },
        { "a = 1e0001\nb=0.000_1", "{a=f10,b=f0.0001}" },
        /* strings */
        { "a = \"\"", "{a=\"\"}" },
        { "a = \"x\"\nb = 'x'", "{a=\"x\",b=\"x\"}" },
        { "a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "{a=\"\\x08\\x09\\n\\x0c\\x0d\\\"\\\\\"}" },
        { "a = \"\\u00e9\\u20AC\\U0001F600\"", "{a=\"\303\251\342\202\254\360\237\230\200\"}" },
        { "a = \"\\u0000\\u007f\\u0080\"", "{a=\"\\x00\\x7f\302\200\"}" },
        { "a = \"\\U0010FFFF\\uD7FF\\uE000\"", "{a=\"\364\217\277\277\355\237\277\356\200\200\"}" },
        { "a = 'C:\\Users\\n'", "{a=\"C:\\\\Users\\\\n\"}" },
        { "a = '\"'\nb = \"'\"", "{a=\"\\\"\",b=\"'\"}" },
        { "a = 'tab\there'", "{a=\"tab\\x09here\"}" },
        { "a = \"tab\there\"", "{a=\"tab\\x09here\"}" },
        { "a = \"\303\251\342\202\254\360\237\230\200\"", "{a=\"\303\251\342\202\254\360\237\230\200\"}" },
        { "a = ''", "{a=\"\"}" },
        { "a = '\\u00e9'", "{a=\"\\\\u00e9\"}" },
        { "a = \"a # b = [c]\"", "{a=\"a # b = [c]\"}" },
        { "a = \"\\\\u0041\"", "{a=\"\\\\u0041\"}" },
        { "a=\"\\\\\\\\\"\nb=\"x\\\\\"", "{a=\"\\\\\\\\\",b=\"x\\\\\"}" },
        /* multi-line strings */
        { "a = \"\"\"\"\"\"", "{a=\"\"}" },
        { "a = \"\"\"\n\"\"\"", "{a=\"\"}" },
        { "a = \"\"\"\nx\ny\"\"\"", "{a=\"x\\ny\"}" },
        { "a = \"\"\"\r\nx\r\ny\"\"\"", "{a=\"x\\x0d\\ny\"}" },
        { "a = \"\"\"x\n\"\"\"", "{a=\"x\\n\"}" },
        { "a = \"\"\"\\\n   x \\\n\n\n  y\"\"\"", "{a=\"x y\"}" },
        { "a = \"\"\"x \\   \n   y\"\"\"", "{a=\"x y\"}" },
        { "a = \"\"\"x\\\r\n  y\"\"\"", "{a=\"xy\"}" },
        { "a = \"\"\"\\\n\"\"\"", "{a=\"\"}" },
        { "a = \"\"\"a \"quote\" b \"\"two\"\" c\"\"\"", "{a=\"a \\\"quote\\\" b \\\"\\\"two\\\"\\\" c\"}" },
        { "a = \"\"\"\"one\"\"\"", "{a=\"\\\"one\"}" },
        { "a = \"\"\"\"\"two\"\"\"", "{a=\"\\\"\\\"two\"}" },
        { "a = \"\"\"one\"\"\"\"", "{a=\"one\\\"\"}" },
        { "a = \"\"\"two\"\"\"\"\"", "{a=\"two\\\"\\\"\"}" },
        { "a = \"\"\"\"\"\"\"\"", "{a=\"\\\"\\\"\"}" },
        { "a = \"\"\"\"\"\"\"\" ", "{a=\"\\\"\\\"\"}" },
        { "a = \"\"\"\\\"\"\"\"", "{a=\"\\\"\"}" },
        { "a = \"\"\"\\\"\"\"\\\"\"\"\\\"\"\"\"", "{a=\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"}" },
        { "a = \"\"\"\\u0041\\n\\\\\"\"\"", "{a=\"A\\n\\\\\"}" },
        { "a = \"\"\"x\ty\"\"\"", "{a=\"x\\x09y\"}" },
        { "a = ''''''", "{a=\"\"}" },
        { "a = '''\nx\ny'''", "{a=\"x\\ny\"}" },
        { "a = '''x\\\ny'''", "{a=\"x\\\\\\ny\"}" },
        { "a = '''a 'q' ''b'''", "{a=\"a 'q' ''b\"}" },
        { "a = ''''one'''", "{a=\"'one\"}" },
        { "a = '''two'''''", "{a=\"two''\"}" },
        { "a = '''\\'''", "{a=\"\\\\\"}" },
        { "a = \"\"\"\n\n\nx\"\"\"", "{a=\"\\n\\nx\"}" },
        { "a = \"\"\"\\\n\t \r\n  \\\n x\"\"\"", "{a=\"x\"}" },
        { "a = \"\"\"it's\"\"\"", "{a=\"it's\"}" },
        { "a = '''\r\nx\r\n'''", "{a=\"x\\x0d\\n\"}" },
        { "a = \"\"\"x \\n\\\n y\"\"\"", "{a=\"x \\ny\"}" },
        { "[t]\na = [\"\"\"\nx\"\"\", '''\ny''']\nb = 1", "{t={a=[\"x\",\"y\"],b=1}}" },
        /* dates and times */
        { "a = 1979-05-27T07:32:00Z", "{a=date-time 1979-05-27T07:32:00Z}" },
        { "a = 1979-05-27T00:32:00-07:00", "{a=date-time 1979-05-27T00:32:00-07:00}" },
        { "a = 1979-05-27T00:32:00.999999+23:59", "{a=date-time 1979-05-27T00:32:00.999999+23:59}" },
        { "a = 1979-05-27 07:32:00Z # x", "{a=date-time 1979-05-27 07:32:00Z}" },
        { "a = 1987-07-05t17:45:00z", "{a=date-time 1987-07-05t17:45:00z}" },
        { "a = 1979-05-27T07:32:00", "{a=local date-time 1979-05-27T07:32:00}" },
        { "a = 1979-05-27 07:32:00.5", "{a=local date-time 1979-05-27 07:32:00.5}" },
        { "a = 1979-05-27", "{a=local date 1979-05-27}" },
        { "a = 1979-05-27 # 10:00", "{a=local date 1979-05-27}" },
        { "a = 07:32:00", "{a=local time 07:32:00}" },
        { "a = 00:32:00.999999", "{a=local time 00:32:00.999999}" },
        { "a = 2000-02-29\nb = 2024-02-29", "{a=local date 2000-02-29,b=local date 2024-02-29}" },
        { "a = 0001-01-01\nb = 9999-12-31T23:59:59Z",
          "{a=local date 0001-01-01,b=date-time 9999-12-31T23:59:59Z}" },
        { "a = [1979-05-27, 07:32:00, 1979-05-27 07:32:00]",
          "{a=[local date 1979-05-27,local time 07:32:00,local date-time 1979-05-27 07:32:00]}" },
        { "a = {b=1979-05-27}", "{a={b=local date 1979-05-27}}" },
        { "a = 1979-05-27T07:32:00-00:00", "{a=date-time 1979-05-27T07:32:00-00:00}" },
        { "a = 2021-04-30\nb = 2021-01-31", "{a=local date 2021-04-30,b=local date 2021-01-31}" },
        { "1979-05-27 = 1", "{1979-05-27=1}" },
        /* arrays */
        { "a = []", "{a=[]}" },
        { "a = [1]", "{a=[1]}" },
        { "a = [1,2]", "{a=[1,2]}" },
        { "a = [ 1, 2, ]", "{a=[1,2]}" },
        { "a = [\n]", "{a=[]}" },
        { "a = [\n\n  1\n  ,\n  2,\n]\n", "{a=[1,2]}" },
        { "a = [[1,2],[\"x\",[]],[[[]]]]", "{a=[[1,2],[\"x\",[]],[[[]]]]}" },
        { "a = [1, \"x\", 1.5, true, [2], {b = 3}]", "{a=[1,\"x\",f1.5,true,[2],{b=3}]}" },
        { "a = [{b = 1}, {}, {b = 2}]", "{a=[{b=1},{},{b=2}]}" },
        { "a = [ \"]\", '[', \",\" ]", "{a=[\"]\",\"[\",\",\"]}" },
        { "a = [\r\n1\r\n]\r\n", "{a=[1]}" },
        { "a = [true,false]#x", "{a=[true,false]}" },
        { "a = [\"\"\"\nx\n\"\"\",]", "{a=[\"x\\n\"]}" },
        { "a = [1,#\n2]", "{a=[1,2]}" },
        { "a = [{b = [\n1\n]}]", "{a=[{b=[1]}]}" },
        { "a=[\t1\t,\t2\t]", "{a=[1,2]}" },
        /* inline tables */
        { "a = {}", "{a={}}" },
        { "a = { }", "{a={}}" },
        { "a = {b = 1}", "{a={b=1}}" },
        { "a = {b=1,c=\"x\"}", "{a={b=1,c=\"x\"}}" },
        { "a = { b.c = 1, b.d = 2 }", "{a={b={c=1,d=2}}}" },
        { "a = { b = { c = { } } }", "{a={b={c={}}}}" },
        { "a = { \"b c\" = 1, 'd' = 2, 3 = 4 }", "{a={\"b c\"=1,d=2,3=4}}" },
        { "a = { b = [\n 1,\n 2\n] }", "{a={b=[1,2]}}" },
        { "a = { b = \"\"\"\nx\ny\"\"\" }", "{a={b=\"x\\ny\"}}" },
        { "[t]\na = {b=1}\n[t.u]\n", "{t={a={b=1},u={}}}" },
        { "a.b = {c=1}", "{a={b={c=1}}}" },
        { "[[t]]\na={b=1}\n[[t]]\na={b=2}", "{t=[{a={b=1}},{a={b=2}}]}" },
        { "a = {b.c.d = 1, b.e = {f = 2}}", "{a={b={c={d=1},e={f=2}}}}" },
        { "a={b = true , c = [ ] }", "{a={b=true,c=[]}}" },
        /* keys */
        { "a = 1", "{a=1}" },
        { "a-b_C-9 = 1", "{a-b_C-9=1}" },
        { "1234 = 1", "{1234=1}" },
        { "\"x y\" = 1\n'z.z' = 2", "{\"x y\"=1,\"z.z\"=2}" },
        { "\"\" = 1", "{\"\"=1}" },
        { "'' = 1", "{\"\"=1}" },
        { "a.b.c = 1", "{a={b={c=1}}}" },
        { "a . b\t.c = 1", "{a={b={c=1}}}" },
        { "a.\"b.c\".'d' = 1", "{a={\"b.c\"={d=1}}}" },
        { "3.14 = 1", "{3={14=1}}" },
        { "-a = 1\n_ = 2\n- = 3", "{-a=1,_=2,-=3}" },
        { "\"\\u00e9\" = 1\n\"\342\202\254\" = 2", "{\"\303\251\"=1,\"\342\202\254\"=2}" },
        { "a = 1\nA = 2", "{a=1,A=2}" },
        { "\"a\\nb\" = 1", "{\"a\\nb\"=1}" },
        { "\"\\\\\" = 1\n\"\\\"\" = 2", "{\"\\\\\"=1,\"\\\"\"=2}" },
        { "a.b = 1\na.c = 2\nb.a = 3\n", "{a={b=1,c=2},b={a=3}}" },
        { "true = 1\ninf = 2\n0x1 = 3\n1e1=4", "{true=1,inf=2,0x1=3,1e1=4}" },
        { "\"a\" = 1\nb = 2", "{a=1,b=2}" },
        { " \t a = 1 \t", "{a=1}" },
        { "a.b.c = 1\na.d = 2\na.b.e = 3", "{a={b={c=1,e=3},d=2}}" },
        { "[a]\nb.c = 1\nb.d = 2", "{a={b={c=1,d=2}}}" },
        { "\"a.b\" = 1\na.b = 2", "{\"a.b\"=1,a={b=2}}" },
        { "00 = 1\n01 = 2", "{00=1,01=2}" },
        { "a.1 = 1\na.-1 = 2", "{a={1=1,-1=2}}" },
        { "\"'\" = 1\n'\"' = 2", "{\"'\"=1,\"\\\"\"=2}" },
        { "apple.x=1\norange.x=2\napple.y=3", "{apple={x=1,y=3},orange={x=2}}" },
        /* tables */
        { "[a]", "{a={}}" },
        { "[a]\nb = 1", "{a={b=1}}" },
        { "[a.b.c]\nd = 1", "{a={b={c={d=1}}}}" },
        { "[a]\n[b]\n", "{a={},b={}}" },
        { "[a.b]\nc = 1\n[a]\nd = 2", "{a={b={c=1},d=2}}" },
        { "[ a ]\n[ b . c ]\n[\t\"d\"\t.\te\t]", "{a={},b={c={}},d={e={}}}" },
        { "[\"a.b\"]\nc = 1", "{\"a.b\"={c=1}}" },
        { "['a'.\"b\"]\n", "{a={b={}}}" },
        { "a = 1\n[b]\na = 2", "{a=1,b={a=2}}" },
        { "[a]\n[a.b]\n[a.c]\n", "{a={b={},c={}}}" },
        { "[a]# x\n[b] # y\n", "{a={},b={}}" },
        { "[1.2]\na=1", "{1={2={a=1}}}" },
        { "[a]\nb.c = 1\n[a.d]\n", "{a={b={c=1},d={}}}" },
        { "[fruit]\n"
          "apple.color = 1\n"
          "apple.taste.sweet = true\n"
          "[fruit.apple.texture]\n"
          "smooth = true",
          "{fruit={apple={color=1,taste={sweet=true},texture={smooth=true}}}}" },
        { "[a]\r\nb = 1\r\n\r\n[c]\r\n", "{a={b=1},c={}}" },
        { "[x.y.z.w]\n[x]", "{x={y={z={w={}}}}}" },
        { "[a.b]\n[a.b.c]\n[a]\nx=1", "{a={b={c={}},x=1}}" },
        { "[\"\" ]\na=1", "{\"\"={a=1}}" },
        { "[a]\na=1\n[a.b]\na=1\n[b]\na=1", "{a={a=1,b={a=1}},b={a=1}}" },
        { "[true]\n[inf]\n[2006-01-02]", "{true={},inf={},2006-01-02={}}" },
        { "[a.\"\\u0062\"]\n[a.c]", "{a={b={},c={}}}" },
        { "  [a]\n\t[b]", "{a={},b={}}" },
        { "a.b.c=1\n[d]\na.b.c=2", "{a={b={c=1}},d={a={b={c=2}}}}" },
        { "[a]\nb={}\n[a.c]", "{a={b={},c={}}}" },
        { "[a.b.c.d]\ne = 1\n[a]\nb.c.f = 1\nb.g = 2", "{a={b={c={d={e=1},f=1},g=2}}}" },
        { "[a.b.c]\n[a]\nb.d=1\n[a.b.e]", "{a={b={c={},d=1,e={}}}}" },
        /* arrays of tables */
        { "[[a]]", "{a=[{}]}" },
        { "[[a]]\nb = 1\n[[a]]\nb = 2", "{a=[{b=1},{b=2}]}" },
        { "[[a]]\n"
          "[a.b]\n"
          "c = 1\n"
          "[[a.d]]\n"
          "e = 1\n"
          "[[a.d]]\n"
          "e = 2\n"
          "[[a]]\n"
          "[[a.d]]\n"
          "e = 3",
          "{a=[{b={c=1},d=[{e=1},{e=2}]},{d=[{e=3}]}]}" },
        { "[[a.b]]\nx = 1\n[a]\ny = 2", "{a={b=[{x=1}],y=2}}" },
        { "[[ a . b ]]\nx=1", "{a={b=[{x=1}]}}" },
        { "[a]\n[[a.b]]\n[[a.b]]", "{a={b=[{},{}]}}" },
        { "[[a]]\n[[a]]\n\n[[b]]", "{a=[{},{}],b=[{}]}" },
        { "[[a]]\nb.c = 1\n[[a]]\nb.c = 2", "{a=[{b={c=1}},{b={c=2}}]}" },
        { "[[a]]\n[a.b]\n[[a]]\n[a.b]", "{a=[{b={}},{b={}}]}" },
        { "[[a]] # x\nb = 1", "{a=[{b=1}]}" },
        { "[[a]]\n[[a.b]]\n[a.b.c]\nd = 1\n[[a.b]]\n[a.b.c]\nd = 2", "{a=[{b=[{c={d=1}},{c={d=2}}]}]}" },
        { "[[\"a b\"]]\n[['c']]", "{\"a b\"=[{}],c=[{}]}" },
        { "[a.b.c]\n[[a.b.d]]\n[a.b.e]", "{a={b={c={},d=[{}],e={}}}}" },
        { "[[a.b.c]]\nx=1\n[[a.b.c]]\nx=2\n[a.b.d]\ny=3", "{a={b={c=[{x=1},{x=2}],d={y=3}}}}" },
        /* documents */
        { "title = \"x\"\n"
          "\n"
          "[owner]\n"
          "name = \"y\"\n"
          "\n"
          "[database]\n"
          "ports = [8000, 8001]\n"
          "temp = { cpu = 79.5, case = 72.0 }\n"
          "\n"
          "[servers]\n"
          "  [servers.alpha]\n"
          "  ip = \"10.0.0.1\"\n",
          "{title=\"x\",owner={name=\"y\"},database={ports=[8000,8001],temp={cpu=f79.5,case=f72}},servers={alpha={ip=\"10.0.0.1\"}}}" },
        { "a=1\r\nb=2\r\n", "{a=1,b=2}" },
        { "a = 1\n\n\n\n", "{a=1}" },
        { "a=1\n\t\n  \nb=2", "{a=1,b=2}" },
};

static void dump_string(Buffer *b, const char *s, size_t size) {
        (void) buffer_addc(b, '"');
        for (size_t i = 0; i < size; i++)
                if (s[i] == '\n')
                        (void) buffer_adds(b, "\\n");
                else if (s[i] == '"' || s[i] == '\\')
                        (void) buffer_addf(b, "\\%c", s[i]);
                else if ((uint8_t) s[i] < 0x20 || s[i] == 0x7f)
                        (void) buffer_addf(b, "\\x%02x", (unsigned) s[i]);
                else
                        (void) buffer_addc(b, s[i]);
        (void) buffer_addc(b, '"');
}

static void dump_key(Buffer *b, const TomlValue *v) {
        if (v->key_size > 0 && strlen(v->key) == v->key_size &&
            str_in_charset(v->key, STR_LOWER STR_UPPER STR_DIGITS "_-"))
                (void) buffer_adds(b, v->key);
        else
                dump_string(b, v->key, v->key_size);
        (void) buffer_addc(b, '=');
}

static void dump(Buffer *b, const TomlValue *v) {
        switch (v->type) {
        case TOML_STRING:
                dump_string(b, v->text, v->size);
                break;
        case TOML_INTEGER:
                (void) buffer_addf(b, "%lld", (long long) v->integer);
                break;
        case TOML_FLOAT:
                (void) (isnan(v->number) ? buffer_adds(b, "fnan") : buffer_addf(b, "f%.17g", v->number));
                break;
        case TOML_BOOLEAN:
                (void) buffer_adds(b, v->boolean ? "true" : "false");
                break;
        case TOML_ARRAY:
        case TOML_TABLE:
                (void) buffer_addc(b, v->type == TOML_ARRAY ? '[' : '{');
                for (size_t i = 0; i < v->n_items; i++) {
                        if (i > 0)
                                (void) buffer_addc(b, ',');
                        if (v->type == TOML_TABLE)
                                dump_key(b, v->items[i]);
                        dump(b, v->items[i]);
                }
                (void) buffer_addc(b, v->type == TOML_ARRAY ? ']' : '}');
                break;
        default:
                (void) buffer_addf(b, "%s %s", toml_type_to_string(v->type), v->text);
        }
}

static void check_case(const char *text, const char *tree) {
        _cleanup_(toml_freep) TomlValue *v = NULL;
        _cleanup_(error_done) Error error = {};
        _cleanup_buffer_ Buffer b = BUFFER_INIT(DUMP_MAX);
        int r;

        r = toml_parse("x", text, strlen(text), &v, &error);
        if (r < 0 && !test_allocation_failed())
                test_fail(__FILE__, __LINE__, "refused: %s\n%s", error_get_text(&error, r), text);
        ASSERT_OK(r);
        dump(&b, v);
        ASSERT_OK(b.error);
        if (!streq(b.data, tree))
                test_fail(__FILE__, __LINE__, "%s\nis       %s\nexpected %s", text, b.data, tree);
}

static void test_cases(void) {
        FOREACH_ELEMENT(c, cases)
                check_case(c->text, c->tree);
}

static void test_allocations(void) {
        check_case("[[a]]\nb.c = { d = [ 'x', 1.5, 1979-05-27 ] }\n[e.\"f\"]\n",
                   "{a=[{b={c={d=[\"x\",f1.5,local date 1979-05-27]}}}],e={f={}}}");
}

/* Strings and keys may hold NUL; toml_find() compares whole keys. */
static void test_find(void) {
        static const char text[] = "\"a\\u0000b\" = 1\na = \"x\\u0000y\"\n[t]\nz = 2\n";
        _cleanup_(toml_freep) TomlValue *v = NULL;
        const TomlValue *found;

        ASSERT_OK(toml_parse("x", text, strlen(text), &v, NULL));
        found = toml_find(v, "a");
        ASSERT_TRUE(found);
        ASSERT_EQ(found->type, TOML_STRING);
        ASSERT_EQ(found->size, 3);
        ASSERT_EQ(found->line, 2);
        ASSERT_EQ(found->column, 1);
        found = toml_find(toml_find(v, "t"), "z");
        ASSERT_TRUE(found);
        ASSERT_EQ(found->line, 4);
        ASSERT_NULL(toml_find(v, "z"));
        ASSERT_NULL(toml_find(NULL, "z"));
        ASSERT_NULL(toml_find(found, "z"));
}

TEST_MAIN(TEST(test_cases), TEST_ALLOC(test_allocations), TEST(test_find));
