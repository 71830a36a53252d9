#include "case_runner/case_runner.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "case_runner/http_steps.h"
#include "case_runner/match.h"
#include <gtest/gtest.h>

namespace moraine::cases {
namespace {

Json Parsed(std::string_view text) {
  Result<Json> json = Json::Parse(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? *json : Json();
}

TEST(Match, OpenPartsOfText) {
  Bindings bindings;
  EXPECT_TRUE(bindings.MatchText("a <any> c", "a b b c"));
  EXPECT_FALSE(bindings.MatchText("a <any> c", "a b b d"));
  EXPECT_TRUE(bindings.MatchText("<id:x>/<id:y>.avro", "s3://b/t/1.avro"));
  EXPECT_EQ(bindings.Fill("<id:x> <id:y> <id:z> <any>"), "s3: /b/t/1 <id:z> <any>");
  EXPECT_TRUE(bindings.MatchText("again <id:y>!", "again /b/t/1!"));
  EXPECT_FALSE(bindings.MatchText("again <id:y>!", "again /b/t/2!"));
  EXPECT_TRUE(bindings.MatchText("<b> 1 < 2", "<b> 1 < 2"));
}

TEST(Match, ATextThatDoesNotFitBindsNothing) {
  Bindings bindings;
  EXPECT_FALSE(bindings.MatchText("<id:x>-", "abc"));
  EXPECT_EQ(bindings.Fill("<id:x>"), "<id:x>");
}

TEST(Match, JsonByStructureNotByText) {
  Bindings bindings;
  EXPECT_EQ(bindings.MatchJson(Parsed(R"({"a": [1, "<any>"], "b": null})"),
                               Parsed(R"({"b":null,"a":[1.0,{"x":2}]})")),
            "");
  EXPECT_EQ(bindings.MatchJson(Parsed(R"({"a": 1})"), Parsed(R"({"a": 1, "b": 2})")),
            "b: not expected");
  EXPECT_EQ(bindings.MatchJson(Parsed(R"({"a": {"b": "<any>"}})"), Parsed(R"({"a": {}})")),
            "a.b: missing");
  EXPECT_EQ(
      bindings.MatchJson(Parsed(R"({"a": 1, "<more>": "<any>"})"), Parsed(R"({"a": 1, "b": 2})")),
      "");
  EXPECT_EQ(bindings.MatchJson(Parsed(R"([1, 2])"), Parsed("[1]")),
            "(document): expected 2 elements, got 1");
  EXPECT_EQ(bindings.MatchJson(Parsed(R"([{"a": true}])"), Parsed(R"([{"a": "true"}])")),
            R"([0].a: expected true, got "true")");
}

TEST(Match, JsonValuesKeepTheirKindWhenBound) {
  Bindings bindings;
  EXPECT_EQ(bindings.MatchJson(Parsed(R"({"n": "<id:n>", "s": "v-<id:s>"})"),
                               Parsed(R"({"n": 17, "s": "v-x"})")),
            "");
  EXPECT_EQ(bindings.Fill(R"({"n": "<id:n>", "s": "<id:s>", "t": "n<id:n>"} <id:n>)"),
            R"({"n": 17, "s": "x", "t": "n17"} 17)");
  EXPECT_EQ(bindings.MatchJson(Parsed(R"("<id:n>")"), Parsed("18")),
            "(document): expected 17 again, got 18");
}

TEST(Match, AnUpdateKeepsOpenPartsThatFit) {
  EXPECT_EQ(UpdatedJson(Parsed(R"({"id": "<id:a>", "n": 1, "old": 0})"),
                        Parsed(R"({"id": 9, "n": 2, "new": "x"})")),
            Parsed(R"({"id": "<id:a>", "n": 2, "new": "x"})"));
  EXPECT_EQ(UpdatedJson(Parsed(R"({"n": 1, "<more>": "<any>"})"), Parsed(R"({"n": 2, "m": 3})")),
            Parsed(R"({"n": 2, "<more>": "<any>"})"));
  EXPECT_EQ(UpdatedJson(Parsed(R"(["p-<any>", 1])"), Parsed(R"(["p-4", 2, 3])")),
            Parsed(R"(["p-<any>", 2, 3])"));
}

constexpr std::string_view kFile = R"(# About this file.

holds: One thing.
require: nothing

say hello
  more
----
hello
  more

# Why this step.
say last
)";

TEST(CaseFile, HasAHeaderAndSteps) {
  Result<CaseFile> file = ParseCase(kFile);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->header.at("holds"), "One thing.");
  EXPECT_EQ(file->header.at("require"), "nothing");
  ASSERT_EQ(file->steps.size(), 2u);
  EXPECT_EQ(file->steps[0].words, "hello");
  EXPECT_EQ(file->steps[0].input, "  more");
  EXPECT_EQ(file->steps[0].expected, "hello\n  more");
  EXPECT_EQ(file->steps[1].line, 13);
  EXPECT_FALSE(file->steps[1].has_expected);
  EXPECT_EQ(WithExpectations(*file, {}), kFile);
  std::string changed(kFile);
  changed.replace(changed.find("----\nhello\n  more"), 17, "----\nbye");
  EXPECT_EQ(WithExpectations(*file, {{0, "bye"}}), changed);
}

TEST(CaseFile, ErrorsNameTheLine) {
  EXPECT_EQ(ParseCase("\nholds: x\nnonsense\n\nsay a\n").status().message(),
            "line 3: expected 'key: value' in the header, got 'nonsense'");
  EXPECT_FALSE(ParseCase("require: x\n\nsay a\n").ok());
  EXPECT_FALSE(ParseCase("holds: x\n").ok());
}

class EchoWorld : public World {
 public:
  EchoWorld() {
    Add("say", [](const Step& step) -> Result<Outcome> {
      if (step.words == "no") return Conflict("said no");
      return Outcome{true, step.words + (step.input.empty() ? "" : "\n" + step.input),
                     std::nullopt};
    });
  }
};

TEST(RunCase, ReportsAndUpdatesWhatDiffers) {
  Result<CaseFile> file =
      ParseCase("holds: x\n\nsay a\n----\nb\n\nsay no\n\nsay no\n----\nerror Conflict\n\nshout\n");
  ASSERT_TRUE(file.ok());
  std::string updated;
  EXPECT_EQ(RunCase(*file, EchoWorld(), &updated),
            "line 3: say a: expected\nb\ngot\na\n"
            "line 7: say no: expected the step to succeed, got error Conflict (said no)\n"
            "line 13: shout : expected the step to succeed, got error InvalidArgument (line 13: "
            "unknown kind of step: "
            "shout)\n");
  EXPECT_EQ(updated,
            "holds: x\n\nsay a\n----\na\n\nsay no\n----\nerror Conflict\n\nsay no\n----\nerror "
            "Conflict\n\n"
            "shout\n----\nerror InvalidArgument\n");
}

/// A server small enough to see through: POST /things numbers what it gets.
class ThingsWorld : public World {
 public:
  ThingsWorld() {
    Add("http", HttpSteps([this](Call&, const net::Request& request) { return Serve(request); },
                          SystemEnv(NullLogger())));
  }

 private:
  net::Answer Serve(const net::Request& request) {
    if (request.path == "/text")
      return net::Response::Text(200, "Things: 2, last 17:00\nand no more");
    if (request.method == net::Method::kPost) {
      Json body = Parsed(request.body);
      body.Set("id", static_cast<int64_t>(things_.size() + 1));
      body.Set("token", "t-abc");
      body.Set("at", 5);
      std::string path = "/things/" + std::to_string(things_.size() + 1);
      things_[path] = body;
      net::Response response = net::Response::Json(201, body.ToString());
      response.headers.Set("Location", path);
      return response;
    }
    if (!things_.contains(request.path)) return net::Response::Empty(404);
    if (request.method == net::Method::kDelete) {
      things_.erase(request.path);
      return net::Response::Empty(204);
    }
    EXPECT_EQ(request.headers.Get("X-Token"), "t-abc");
    EXPECT_EQ(request.Query("verbose"), "1");
    return net::Response::Json(200, things_[request.path].ToString());
  }

  std::map<std::string, Json> things_;
};

const bool kCases = RegisterCases("runner", [] { return std::make_unique<ThingsWorld>(); });

TEST(RegisterCases, FoundTheFiles) { EXPECT_TRUE(kCases); }

}  // namespace
}  // namespace moraine::cases
