#include "moraine/base/time_zone.h"

#include <gtest/gtest.h>

#include "moraine/base/text.h"

namespace moraine {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

WallTime Utc(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  const std::chrono::sys_days date =
      std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  return WallTime(Millis(date.time_since_epoch()) + hours(hour) + minutes(minute));
}
LocalTime Local(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  return LocalTime(Utc(year, month, day, hour, minute).time_since_epoch());
}

std::string Big(uint64_t value, int size) {
  std::string out;
  for (int i = size - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

/// A zone file of version 2 with these changes (time, index of an offset).
std::string ZoneFile(const std::vector<std::pair<int64_t, int>>& changes,
                     const std::vector<int32_t>& offsets, const std::string& footer) {
  const auto header = [](uint32_t times, uint32_t types) {
    return "TZif2" + std::string(15, '\0') + Big(0, 4) + Big(0, 4) + Big(0, 4) + Big(times, 4) +
           Big(types, 4) + Big(4, 4);
  };
  std::string out = header(0, 1) + Big(0, 4) + Big(0, 2) + std::string("UTC\0", 4);
  out += header(static_cast<uint32_t>(changes.size()), static_cast<uint32_t>(offsets.size()));
  for (const auto& [at, _] : changes) out += Big(static_cast<uint64_t>(at), 8);
  for (const auto& [_, type] : changes) out += static_cast<char>(type);
  for (int32_t offset : offsets) out += Big(static_cast<uint32_t>(offset), 4) + Big(0, 2);
  return out + std::string("UTC\0", 4) + "\n" + footer + "\n";
}

TimeZonePtr Zone(const std::string& footer) {
  auto zone = TimeZone::Parse("test", ZoneFile({}, {0}, footer));
  EXPECT_TRUE(zone.ok()) << zone.status().ToString();
  return zone.ok() ? *zone : TimeZone::Utc();
}

TEST(TimeZone, FollowsTheRulesOfTheLastLine) {
  struct Case {
    std::string footer;
    WallTime time;
    int64_t offset_s;
  };
  const std::string berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
  const std::string new_york = "EST5EDT,M3.2.0,M11.1.0";
  const std::string sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
  const Case cases[] = {
      {berlin, Utc(2026, 3, 29, 0, 59), 3'600},
      {berlin, Utc(2026, 3, 29, 1), 7'200},
      {berlin, Utc(2026, 10, 25, 0, 59), 7'200},
      {berlin, Utc(2026, 10, 25, 1), 3'600},
      {new_york, Utc(2026, 3, 8, 6, 59), -18'000},
      {new_york, Utc(2026, 3, 8, 7), -14'400},
      {new_york, Utc(2026, 11, 1, 5, 59), -14'400},
      {new_york, Utc(2026, 11, 1, 6), -18'000},
      {sydney, Utc(2026, 1, 1), 39'600},
      {sydney, Utc(2026, 7, 1), 36'000},
      {sydney, Utc(2026, 4, 4, 16), 36'000},
      {sydney, Utc(2026, 10, 3, 16), 39'600},
      {"<+0330>-3:30", Utc(2026, 7, 1), 12'600},
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", Utc(2026, 3, 29, 1), -3'600},
      {"IST-2IDT,M3.4.4/26,M10.5.0", Utc(2026, 3, 27), 10'800},
      {"EST5EDT,0/0,J365/25", Utc(2026, 1, 15), -14'400},
      {"XXX0YYY,J60/0,J300/0", Utc(2028, 3, 1), 3'600},
      {"XXX0YYY,J60/0,J300/0", Utc(2028, 2, 29, 23), 0},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Zone(c.footer)->OffsetAt(c.time).count(), c.offset_s)
        << c.footer << " " << FormatTime(c.time);
  }
}

TEST(TimeZone, TakesTheChangesOfTheFileBeforeItsLastLine) {
  auto parsed =
      TimeZone::Parse("t", ZoneFile({{1'000, 1}, {2'000, 2}}, {-60, 3'600, 7'200}, "AAA-3"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  const TimeZone& zone = **parsed;
  const std::pair<int64_t, int64_t> cases[] = {
      {INT64_MIN / 1'000, -60}, {999, -60}, {1'000, 3'600}, {1'999, 3'600}, {2'000, 10'800}};
  for (const auto& [second, offset] : cases) {
    EXPECT_EQ(zone.OffsetAt(FromMillis(second * 1'000)).count(), offset) << second;
  }
}

TEST(TimeZone, LocalTimesThatComeTwiceAreTheFirstAndThoseLeftOutMoveOn) {
  auto berlin = Zone("CET-1CEST,M3.5.0,M10.5.0/3");
  EXPECT_EQ(berlin->FromLocal(Local(2026, 7, 1, 12)), Utc(2026, 7, 1, 10));
  EXPECT_EQ(berlin->FromLocal(Local(2026, 10, 25, 2, 30)), Utc(2026, 10, 25, 0, 30));
  EXPECT_EQ(berlin->FromLocal(Local(2026, 10, 25, 3)), Utc(2026, 10, 25, 2));
  EXPECT_EQ(berlin->FromLocal(Local(2026, 3, 29, 2, 30)), Utc(2026, 3, 29, 1, 30));
  EXPECT_EQ(berlin->FromLocal(Local(2026, 3, 29, 3)), Utc(2026, 3, 29, 1));
  auto new_york = Zone("EST5EDT,M3.2.0,M11.1.0");
  EXPECT_EQ(new_york->FromLocal(Local(2026, 3, 8, 2, 30)), Utc(2026, 3, 8, 7, 30));
  EXPECT_EQ(new_york->FromLocal(Local(2026, 11, 1, 1, 30)), Utc(2026, 11, 1, 5, 30));
}

TEST(TimeZone, ComesBackFromLocalTimeAtEveryHourOfAYear) {
  for (const std::string footer : {"CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0",
                                   "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"}) {
    auto zone = Zone(footer);
    int different = 0;
    for (WallTime t = Utc(2026, 1, 1); t < Utc(2027, 1, 1); t += minutes(30)) {
      different += zone->FromLocal(zone->ToLocal(t)) != t;
    }
    EXPECT_LE(different, 2) << footer;  // the half hours that clocks show a second time
  }
}

TEST(TimeZone, LoadsByNameAndOffset) {
  TimeZones zones;
  for (const auto& [name, offset] : std::vector<std::pair<std::string, int64_t>>{
           {"UTC", 0}, {"Z", 0}, {"+02:00", 7'200}, {"-0530", -19'800}, {"+09", 32'400}}) {
    auto zone = zones.Find(name);
    ASSERT_TRUE(zone.ok()) << name;
    EXPECT_EQ((*zone)->OffsetAt(Utc(2026, 7, 1)).count(), offset) << name;
  }
  for (const std::string name : {"", "Nowhere/Here", "../../../etc/passwd", "/etc/localtime",
                                 "+25:00", "+1", "Europe", "zone.tab", "a b", "Europe/Berlin/"}) {
    EXPECT_EQ(zones.Find(name).status().code(), Code::kInvalidArgument) << name;
  }
}

TEST(TimeZone, ReadsTheSystemsFiles) {
  auto berlin = TimeZone::Load("Europe/Berlin");
  if (!berlin.ok()) GTEST_SKIP() << "this system has no zone files";
  EXPECT_EQ((*berlin)->OffsetAt(Utc(2026, 7, 1)).count(), 7'200);
  EXPECT_EQ((*berlin)->OffsetAt(Utc(2040, 1, 1)).count(), 3'600);
  EXPECT_EQ((*berlin)->OffsetAt(Utc(1975, 7, 1)).count(), 3'600) << "no summer time then";
}

TEST(TimeZone, BrokenFilesAreCorruption) {
  const std::string good =
      ZoneFile({{1'000, 1}, {2'000, 0}}, {0, 3'600}, "CET-1CEST,M3.5.0,M10.5.0/3");
  ASSERT_TRUE(TimeZone::Parse("t", good).ok());
  for (size_t size = 0; size + 1 < good.size(); ++size) {
    auto cut = TimeZone::Parse("t", std::string_view(good).substr(0, size));
    if (cut.ok()) continue;
    EXPECT_EQ(cut.status().code(), Code::kCorruption) << size;
  }
  for (size_t at = 0; at < good.size(); ++at) {  // whatever a byte says, nothing is read beyond
    std::string bent = good;
    bent[at] = static_cast<char>(0xff);
    static_cast<void>(TimeZone::Parse("t", bent));
  }
  for (const std::string footer : {"C-1", "CET", "CET-1CEST", "CET-1CEST,M13.1.0,M10.5.0",
                                   "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x", "<CET-1"}) {
    EXPECT_EQ(TimeZone::Parse("t", ZoneFile({}, {0}, footer)).status().code(), Code::kCorruption)
        << footer;
  }
}

}  // namespace
}  // namespace moraine
