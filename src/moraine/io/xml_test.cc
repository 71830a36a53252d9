#include "moraine/io/xml.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace moraine::io {
namespace {

TEST(Xml, ReadsElementsTextAndReferences) {
  auto root = ParseXml(
      "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <no> -->\n"
      "<s:List xmlns:s='u' a = \"x>y\" ><Key> a&amp;b&#x41;&#233;<![CDATA[<&]]> </Key>"
      "<Empty/><Key>second</Key><!-- c -->\n<Deep><Key>inner</Key></Deep></s:List >\n");
  ASSERT_TRUE(root.ok()) << root.status().ToString();
  EXPECT_EQ(root->name, "List");
  EXPECT_EQ(root->children.size(), 4u);
  EXPECT_EQ(root->TextOf("Key"), " a&bA\xc3\xa9<& ");
  EXPECT_EQ(root->TextOf("Empty"), "");
  EXPECT_EQ(root->Child("Deep")->TextOf("Key"), "inner");
  EXPECT_EQ(root->Child("None"), nullptr);
  EXPECT_EQ(root->TextOf("None"), "");
}

TEST(Xml, RefusesWhatIsNone) {
  std::string deep;
  for (int i = 0; i < 17; ++i) deep += "<a>";
  std::string many = "<r>";
  for (int i = 0; i < 100'000; ++i) many += "<a/>";
  const std::string cases[] = {"",
                               " ",
                               "text",
                               "<",
                               "<>",
                               "<a",
                               "<a>",
                               "<a></b>",
                               "<a></a",
                               "<a></a>x",
                               "<a/><b/>",
                               "<a b>",
                               "<a b=c/>",
                               "<a b='c/>",
                               "<a>&amp</a>",
                               "<a>&nope;</a>",
                               "<a>&#0;</a>",
                               "<a>&#xd800;</a>",
                               "<a>&#x110000;</a>",
                               "<a>&#99999999999;</a>",
                               "<a>&#;</a>",
                               "<a>&;</a>",
                               "<a><![CDATA[x</a>",
                               "<a><!-- x</a>",
                               "<?xml <a/>",
                               "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
                               "<a><!ENTITY x></a>",
                               deep,
                               many + "</r>"};
  for (const std::string& text : cases) {
    EXPECT_EQ(ParseXml(text).status().code(), Code::kCorruption) << text.substr(0, 80);
  }
}

TEST(Xml, WhatIsEscapedArrives) {
  std::string text;
  for (int c = 1; c < 0x80; ++c) text += static_cast<char>(c);
  text += "\xc3\xa9\xe1\x88\xb4";
  auto root = ParseXml("<a>" + EscapeXml(text) + "</a>");
  ASSERT_TRUE(root.ok()) << root.status().ToString();
  EXPECT_EQ(root->text, text);
}

}  // namespace
}  // namespace moraine::io
