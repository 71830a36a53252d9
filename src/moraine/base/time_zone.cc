#include "moraine/base/time_zone.h"

#include <algorithm>
#include <fstream>
#include <functional>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine {
namespace {

constexpr int64_t kDay = 86'400;
constexpr size_t kMostBytes = size_t{1} << 20;
constexpr size_t kMostZones = 1'000;
/// Beyond these years calendars are not worth a calculation; the offset is that of the limit.
constexpr int64_t kFarthest = int64_t{10'000} * 366 * kDay;
constexpr std::string_view kFolder = "/usr/share/zoneinfo/";

/// Reads big-endian numbers and characters; what lies beyond the end makes it fail, once.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::string_view rest() const { return bytes_; }

  std::string_view Take(size_t size) {
    if (size > bytes_.size()) {
      ok_ = false;
      return {};
    }
    std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  int64_t Number(size_t size) {
    uint64_t value = 0;
    std::string_view taken = Take(size);
    for (char c : taken) value = value << 8 | static_cast<unsigned char>(c);
    if (size < 8 && !taken.empty() && static_cast<signed char>(taken[0]) < 0) {
      value |= ~uint64_t{0} << (8 * size);
    }
    return static_cast<int64_t>(value);
  }
  uint32_t Count() { return static_cast<uint32_t>(Number(4)); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

struct Header {
  char version = 0;
  uint32_t utc_marks = 0;
  uint32_t standard_marks = 0;
  uint32_t leaps = 0;
  uint32_t times = 0;
  uint32_t types = 0;
  uint32_t characters = 0;

  uint64_t BlockSize(uint64_t time_size) const {
    return times * (time_size + 1) + uint64_t{types} * 6 + characters + leaps * (time_size + 4) +
           standard_marks + utc_marks;
  }
};

std::optional<Header> ReadHeader(ByteReader& in) {
  if (in.Take(4) != "TZif") return std::nullopt;
  Header header;
  std::string_view version = in.Take(1);
  header.version = version.empty() ? '\0' : version[0];
  in.Take(15);
  for (uint32_t* count : {&header.utc_marks, &header.standard_marks, &header.leaps, &header.times,
                          &header.types, &header.characters}) {
    *count = in.Count();
  }
  if (!in.ok()) return std::nullopt;
  return header;
}

/// "+02:00", "-0530", "+02".
std::optional<int32_t> FixedOffset(std::string_view text) {
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  std::string digits;
  for (char c : text.substr(1)) {
    if (c == ':' && digits.size() == 2) continue;
    if (c < '0' || c > '9') return std::nullopt;
    digits += c;
  }
  if (digits.size() != 2 && digits.size() != 4) return std::nullopt;
  const int hours = (digits[0] - '0') * 10 + (digits[1] - '0');
  const int minutes = digits.size() == 4 ? (digits[2] - '0') * 10 + (digits[3] - '0') : 0;
  if (hours > 18 || minutes > 59) return std::nullopt;
  const int32_t seconds = hours * 3'600 + minutes * 60;
  return text[0] == '-' ? -seconds : seconds;
}

bool IsZoneName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.back() == '/') return false;
  return name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '+' || c == '/';
         });
}

Status NoSuchZone(std::string_view name) {
  return InvalidArgument(fmt::format(
      "no time zone is named '{}': expected UTC, an offset such as +02:00, or a name such as "
      "Europe/Berlin",
      name.substr(0, 64)));
}

int64_t SecondOf(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

/// Reads the last line of a zone file: "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX TZ with RFC 8536's
/// wider hours).
class TimeZone::Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<Footer> Read() {
    Footer footer;
    if (!Name() || !Offset(&footer.standard_s)) return std::nullopt;
    footer.standard_s = -footer.standard_s;  // POSIX counts westwards
    if (text_.empty()) return footer;
    footer.has_summer = true;
    footer.summer_s = footer.standard_s + 3'600;
    if (!Name()) return std::nullopt;
    if (!text_.empty() && text_.front() != ',') {
      if (!Offset(&footer.summer_s)) return std::nullopt;
      footer.summer_s = -footer.summer_s;
    }
    if (!RuleOf(&footer.begin) || !RuleOf(&footer.end) || !text_.empty()) return std::nullopt;
    return footer;
  }

 private:
  bool Skip(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool Name() {
    size_t end = 0;
    if (Skip('<')) {
      end = text_.find('>');
      if (end == std::string_view::npos) return false;
      text_.remove_prefix(end + 1);
      return true;
    }
    while (end < text_.size() && ((text_[end] | 0x20) >= 'a' && (text_[end] | 0x20) <= 'z')) ++end;
    text_.remove_prefix(end);
    return end >= 3;
  }
  bool Number(int most, int* out) {
    size_t end = 0;
    int value = 0;
    while (end < text_.size() && end < 4 && text_[end] >= '0' && text_[end] <= '9') {
      value = value * 10 + (text_[end++] - '0');
    }
    text_.remove_prefix(end);
    *out = value;
    return end > 0 && value <= most;
  }
  bool Offset(int32_t* out) {
    const bool is_negative = Skip('-');
    if (!is_negative) Skip('+');
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    if (!Number(167, &hours)) return false;
    if (Skip(':') && !Number(59, &minutes)) return false;
    if (Skip(':') && !Number(59, &seconds)) return false;
    const int32_t total = hours * 3'600 + minutes * 60 + seconds;
    *out = is_negative ? -total : total;
    return true;
  }
  bool RuleOf(Rule* rule) {
    if (!Skip(',')) return false;
    if (Skip('M')) {
      rule->kind = Rule::Kind::kMonthWeekDay;
      if (!Number(12, &rule->month) || !Skip('.') || !Number(5, &rule->week) || !Skip('.') ||
          !Number(6, &rule->day) || rule->month < 1 || rule->week < 1) {
        return false;
      }
    } else {
      rule->kind = Skip('J') ? Rule::Kind::kDayWithoutLeap : Rule::Kind::kDayOfYear;
      if (!Number(365, &rule->day)) return false;
    }
    return !Skip('/') || Offset(&rule->time_s);
  }

  std::string_view text_;
};

TimeZonePtr TimeZone::Utc() {
  auto zone = std::make_shared<TimeZone>();
  zone->name_ = "UTC";
  return zone;
}

Result<TimeZonePtr> TimeZone::Parse(std::string_view name, std::string_view bytes) {
  const auto broken = [&](std::string_view what) {
    return Corruption(fmt::format("time zone {}: {}", name, what));
  };
  ByteReader in(bytes);
  auto header = ReadHeader(in);
  if (!header) return broken("the file has no TZif header");
  size_t time_size = 4;
  if (header->version >= '2') {
    in.Take(header->BlockSize(4));
    header = ReadHeader(in);
    if (!header) return broken("the file has no second TZif header");
    time_size = 8;
  }
  if (header->BlockSize(time_size) > in.rest().size()) return broken("the file ends too soon");
  if (header->types == 0) return broken("the file has no type of local time");
  if (header->leaps > 0) return broken("leap seconds are not supported");

  auto zone = std::make_shared<TimeZone>();
  zone->name_ = std::string(name);
  ByteReader times(in.Take(header->times * time_size));
  ByteReader indexes(in.Take(header->times));
  ByteReader types(in.Take(size_t{header->types} * 6));
  std::vector<int32_t> offsets;
  for (uint32_t i = 0; i < header->types; ++i) {
    offsets.push_back(static_cast<int32_t>(types.Number(4)));
    types.Take(2);
    if (std::abs(int64_t{offsets.back()}) > 2 * kDay) return broken("an offset is out of range");
  }
  zone->first_offset_s_ = offsets[0];
  for (uint32_t i = 0; i < header->times; ++i) {
    const int64_t at = times.Number(time_size);
    const auto type = static_cast<unsigned char>(indexes.Number(1));
    if (type >= offsets.size()) return broken("a change names a type that is not there");
    if (!zone->changes_.empty() && at <= zone->changes_.back().at_s) {
      return broken("its changes are not in order");
    }
    zone->changes_.push_back({at, offsets[type]});
  }
  if (time_size == 8) {
    in.Take(header->characters + size_t{header->standard_marks} + header->utc_marks);
    std::string_view line = in.rest();
    if (line.size() < 2 || line.front() != '\n') return broken("the file has no last line");
    line.remove_prefix(1);
    line = line.substr(0, line.find('\n'));
    if (!line.empty()) {
      zone->footer_ = Reader(line).Read();
      if (!zone->footer_) return broken("its last line can't be read");
    }
  }
  return TimeZonePtr(std::move(zone));
}

Result<TimeZonePtr> TimeZone::Load(std::string_view name) {
  if (name == "UTC" || name == "Z" || name == "utc") return Utc();
  if (auto offset = FixedOffset(name)) {
    auto zone = std::make_shared<TimeZone>();
    zone->name_ = std::string(name);
    zone->first_offset_s_ = *offset;
    return TimeZonePtr(std::move(zone));
  }
  if (!IsZoneName(name)) return NoSuchZone(name);
  std::ifstream file(std::string(kFolder) + std::string(name), std::ios::binary);
  if (!file) return NoSuchZone(name);
  std::string bytes(kMostBytes, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  if (!bytes.starts_with("TZif")) return NoSuchZone(name);  // a folder, or a list of zones
  return Parse(name, bytes);
}

int64_t TimeZone::RuleSecond(const Rule& rule, int year_number) {
  using namespace std::chrono;
  const year the_year(year_number);
  sys_days date = the_year / January / 1;
  if (rule.kind == Rule::Kind::kMonthWeekDay) {
    const month the_month(static_cast<unsigned>(rule.month));
    const weekday day(static_cast<unsigned>(rule.day));
    date = rule.week == 5 ? sys_days(the_year / the_month / day[last])
                          : sys_days(the_year / the_month / day[static_cast<unsigned>(rule.week)]);
  } else if (rule.kind == Rule::Kind::kDayOfYear) {
    date += days(rule.day);
  } else {
    date += days(rule.day - 1 + (the_year.is_leap() && rule.day >= 60 ? 1 : 0));
  }
  return date.time_since_epoch().count() * kDay + rule.time_s;
}

int32_t TimeZone::FooterOffset(int64_t second) const {
  using namespace std::chrono;
  const Footer& footer = *footer_;
  if (!footer.has_summer) return footer.standard_s;
  const sys_days date = floor<days>(sys_seconds(seconds(second + footer.standard_s)));
  const int year_number = static_cast<int>(year_month_day(date).year());
  const int64_t begin = RuleSecond(footer.begin, year_number) - footer.standard_s;
  const int64_t end = RuleSecond(footer.end, year_number) - footer.summer_s;
  const bool is_summer = begin < end ? second >= begin && second < end  //
                                     : second >= begin || second < end;
  return is_summer ? footer.summer_s : footer.standard_s;
}

int32_t TimeZone::OffsetAtSecond(int64_t second) const {
  second = std::clamp(second, -kFarthest, kFarthest);
  const auto later =
      std::upper_bound(changes_.begin(), changes_.end(), second,
                       [](int64_t value, const Change& change) { return value < change.at_s; });
  if (later == changes_.end() && footer_) return FooterOffset(second);
  return later == changes_.begin() ? first_offset_s_ : std::prev(later)->offset_s;
}

std::chrono::seconds TimeZone::OffsetAt(WallTime time) const {
  return std::chrono::seconds(OffsetAtSecond(SecondOf(time)));
}

LocalTime TimeZone::ToLocal(WallTime time) const {
  return LocalTime(time.time_since_epoch() + Millis(OffsetAt(time)));
}

WallTime TimeZone::FromLocal(LocalTime local) const {
  const int64_t second = std::chrono::floor<std::chrono::seconds>(local).time_since_epoch().count();
  const int32_t before = OffsetAtSecond(second - kDay);
  const int32_t after = OffsetAtSecond(second + kDay);
  // A change that puts clocks back shows some times twice: the larger offset is the first of them.
  for (int32_t offset : {std::max(before, after), std::min(before, after)}) {
    if (OffsetAtSecond(second - offset) == offset) {
      return WallTime(local.time_since_epoch() - std::chrono::seconds(offset));
    }
  }
  return WallTime(local.time_since_epoch() - std::chrono::seconds(before));
}

Result<TimeZonePtr> TimeZones::Find(std::string_view name) {
  {
    std::lock_guard lock(mutex_);
    if (auto found = zones_.find(name); found != zones_.end()) return found->second;
  }
  MORAINE_ASSIGN(TimeZonePtr zone, TimeZone::Load(name));
  std::lock_guard lock(mutex_);
  if (zones_.size() < kMostZones) zones_.emplace(std::string(name), zone);
  return zone;
}

}  // namespace moraine
