#include "moraine/cli/text_table.h"

#include <gtest/gtest.h>

namespace moraine::cli {
namespace {

Console Plain() { return {}; }

TextTable Sample() {
  TextTable table({{"NAME"}, {"COUNT", TextTable::Align::kRight}, {"NOTE"}});
  table.Add({"表", "1,234", "first"});
  table.Add({"plain", "5", "a longer note"});
  return table;
}

TEST(TextTable, AlignsByCellsNotBytes) {
  EXPECT_EQ(Sample().Text(Plain()),
            "NAME   COUNT  NOTE\n"
            "表     1,234  first\n"
            "plain      5  a longer note\n");
}

TEST(TextTable, LongNamesGiveWayOnATerminal) {
  using Cut = TextTable::Cut;
  using Align = TextTable::Align;
  TextTable table({{"A", Align::kLeft, Cut::kYes},
                   {"B", Align::kLeft, Cut::kYes},
                   {"COUNT", Align::kRight},
                   {"NOTE"}});
  table.Add({std::string(300, 'a'), std::string(20, 'b'), "1,234", std::string(50, 'n')});
  Console narrow;
  narrow.terminal = true;
  for (int columns : {60, 80, 200}) {
    narrow.columns = columns;
    std::string text = table.Text(narrow);
    std::string line = text.substr(text.find('\n') + 1);
    line = line.substr(0, line.find('\n'));
    EXPECT_EQ(DisplayWidth(line), columns) << text;
    EXPECT_NE(line.find("1,234"), line.npos) << "numbers are never cut";
    EXPECT_NE(line.find("aaaaaaaaaaa"), line.npos);
  }
  narrow.columns = 5;
  EXPECT_NE(table.Text(narrow).find("aaaaaaaaaaa…  bbbbbbbbbbb…  1,234\n    nnnnnnnnnnn"),
            std::string::npos);
  EXPECT_NE(table.Text(Plain()).find(std::string(300, 'a')), std::string::npos);
}

Console Narrow(int columns) {
  Console narrow;
  narrow.terminal = true;
  narrow.columns = columns;
  return narrow;
}

TEST(TextTable, TheLastColumnsTextGoesOnInFurtherLines) {
  TextTable table({{"NAME"}, {"NOTE"}});
  table.Add({"a", "short"});
  table.Add({"表", "would remove 7 snapshots and no refs, and 20 files"});
  EXPECT_EQ(table.Text(Narrow(32)),
            "NAME  NOTE\n"
            "a     short\n"
            "表    would remove 7 snapshots\n"
            "      and no refs, and 20 files\n");
  // With little room left: under its row.
  EXPECT_EQ(table.Text(Narrow(29)),
            "NAME  NOTE\n"
            "a     short\n"
            "表\n"
            "    would remove 7 snapshots\n"
            "    and no refs, and 20 files\n");
  EXPECT_EQ(table.TakeText(Narrow(20)), "NAME  NOTE\na     short\n表    would remove …\n");
}

TEST(TextTable, WhatSaysNothingGivesWayFirst) {
  using Cut = TextTable::Cut;
  TextTable table({{"RUN", TextTable::Align::kLeft, Cut::kId}, {"WINDOW"}, {"STATE"}, {"WHY"}});
  const std::string first = "01a20a28-9fbb-7deb-b7d2-7aae754d3c1d";
  const std::string later = "01a20a28-9fbb-7d00-b7d2-7aae754d3c1d";  // of the same millisecond
  table.Add({first, "", "on", "a reason"});
  table.Add({later, "", "on", "-"});
  EXPECT_EQ(table.Text(Narrow(200)).find("WINDOW"), 38U) << "there is room for all";
  EXPECT_EQ(table.Text(Narrow(56)).substr(36, 8), "  STATE ") << table.Text(Narrow(56));
  EXPECT_EQ(table.Text(Narrow(40)),
            "RUN                STATE  WHY\n"
            "01a20a28-9fbb-7de  on     a reason\n"
            "01a20a28-9fbb-7d0  on     -\n");
  EXPECT_NE(table.Text(Plain()).find(first + "          on"), std::string::npos);
}

TEST(TextTable, WordsAreWrapped) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(WrapToWidth("", 10), Lines({""}));
  EXPECT_EQ(WrapToWidth("one two three", 7), Lines({"one two", "three"}));
  EXPECT_EQ(WrapToWidth("abcdefghij k", 4), Lines({"abcd", "efgh", "ij k"}));
  EXPECT_EQ(WrapToWidth("表格表格", 5), Lines({"表格", "表格"}));
  EXPECT_EQ(Paragraph(Plain(), "Problem", "a b"), "Problem: a b\n");
  EXPECT_EQ(Paragraph(Narrow(14), "Problem", "a bc d"), "Problem: a\n  bc d\n");
}

TEST(TextTable, ColoursOnlyWhereTheyAre) {
  TextTable table({{"A"}});
  table.Add({{"x", Colour::kRed}});
  EXPECT_EQ(table.Text(Plain()), "A\nx\n");
  Console bright;
  bright.colours = true;
  EXPECT_EQ(table.Text(bright), "\x1b[1mA\x1b[0m\n\x1b[31mx\x1b[0m\n");
}

TEST(TextTable, RowsThatAreTooShortAreFilled) {
  TextTable table({{"A"}, {"B"}});
  table.Add({"x"});
  EXPECT_EQ(table.Text(Plain()), "A  B\nx\n");
}

TEST(FactList, PutsValuesUnderEachOther) {
  FactList facts;
  facts.Add("name", "t");
  facts.Add("last minor", "never");
  EXPECT_EQ(facts.Text(Plain()), "name        t\nlast minor  never\n");
}

TEST(FactList, LongValuesTakeSeveralLinesOnATerminal) {
  FactList facts;
  facts.Add("why", "would remove 7 snapshots and no refs");
  EXPECT_EQ(facts.Text(Narrow(30)), "why  would remove 7 snapshots\n     and no refs\n");
  EXPECT_EQ(facts.Text(Plain()), "why  would remove 7 snapshots and no refs\n");
}

TEST(Console, TextOfAServerCantSteerTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb"), "a\xEF\xBF\xBD[2Jb");
  EXPECT_EQ(Printable("a\nb\tc\r"), "a b c\xEF\xBF\xBD");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "1m"),
            "\xEF\xBF\xBD"
            "1m");                                                 // C1 control
  EXPECT_EQ(Printable("x\xE2\x80\xAEy"), "x\xEF\xBF\xBDy");        // turns the direction
  EXPECT_EQ(Printable("\xff\xc3("), "\xEF\xBF\xBD\xEF\xBF\xBD(");  // not UTF-8
  EXPECT_EQ(Printable("\xed\xa0\x80").size(), 9u);                 // a surrogate's three bytes
  EXPECT_EQ(Printable("naïve 表 😀"), "naïve 表 😀");
}

TEST(Console, CountsCells) {
  EXPECT_EQ(DisplayWidth(""), 0);
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("naïve"), 5);
  EXPECT_EQ(DisplayWidth("nai\xCC\x88ve"), 5);
  EXPECT_EQ(DisplayWidth("表格"), 4);
  EXPECT_EQ(DisplayWidth("한글"), 4);
  EXPECT_EQ(DisplayWidth("😀"), 2);
}

TEST(Console, CutsBetweenCharacters) {
  EXPECT_EQ(CutToWidth("abcdef", 6), "abcdef");
  EXPECT_EQ(CutToWidth("abcdef", 4), "abc…");
  EXPECT_EQ(CutToWidth("表格表格", 4), "表…");
  EXPECT_EQ(CutToWidth("abc", 1), "…");
  EXPECT_EQ(CutToWidth("abc", 0), "");
}

TEST(Forms, Numbers) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1'000), "1,000");
  EXPECT_EQ(FormatCount(-1'234'567), "-1,234,567");
  EXPECT_EQ(FormatCount(INT64_MIN), "-9,223,372,036,854,775,808");
  EXPECT_EQ(FormatMebibytes(0), "0.0 MiB");
  EXPECT_EQ(FormatMebibytes(1), "<0.1 MiB");
  EXPECT_EQ(FormatMebibytes(3 << 19), "1.5 MiB");
  EXPECT_EQ(FormatMebibytes(int64_t{1'234'567} << 20), "1,234,567.0 MiB");
}

TEST(Forms, Ages) {
  constexpr int64_t kNow = 1'767'225'600'000;
  struct Case {
    int64_t seconds;
    const char* age;
  };
  const Case cases[] = {{0, "now"},         {1, "1 s"},     {119, "119 s"},    {120, "2 min"},
                        {7'199, "119 min"}, {7'200, "2 h"}, {172'799, "47 h"}, {172'800, "2 d"},
                        {-60, "now"}};  // a server whose clock is ahead
  for (const auto& c : cases) EXPECT_EQ(FormatAge(kNow - c.seconds * 1'000, kNow), c.age);
  EXPECT_EQ(FormatAge(0, kNow), "-");
  EXPECT_EQ(FormatAgo(0, kNow), "never");
  EXPECT_EQ(FormatAgo(kNow, kNow), "just now");
  EXPECT_EQ(FormatAgo(kNow - 5'000, kNow), "5 s ago");
}

}  // namespace
}  // namespace moraine::cli
