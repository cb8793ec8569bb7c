// SPDX-License-Identifier: Apache-2.0
#include "eval/custom_codec.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "eval/process.h"
#include "image_io/image_file.h"
#include "image_io/input_file.h"
#include "image_io/output_file.h"

namespace lichen::eval {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr char kExample[] = "write for example \"name: enc {in} {out} -q {q}; dec {in} {out}; q=10,30,50\"";

Status BadSpec(const std::string& what) {
  return Status(StatusCode::kInvalidArgument, "--custom: " + what + "; " + kExample);
}

// Sections between semicolons, each as words.
Result<std::vector<Words>> SplitSections(const std::string& text) {
  std::vector<Words> sections(1);
  bool in_word = false;
  char quote = '\0';
  const auto append = [&](char c) {
    if (!in_word) sections.back().emplace_back();
    in_word = true;
    sections.back().back() += c;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && quote != '\'') {
      if (++i == text.size()) return BadSpec("a backslash at the end");
      append(text[i]);
    } else if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        append(c);
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      if (!in_word) sections.back().emplace_back();  // "" is a word
      in_word = true;
    } else if (c == ';') {
      sections.emplace_back();
      in_word = false;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      in_word = false;
    } else {
      append(c);
    }
  }
  if (quote != '\0') return BadSpec("a quote that does not end");
  return sections;
}

bool Mentions(const Words& words, const std::string& placeholder) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return word.find(placeholder) != std::string::npos; });
}

Result<std::vector<double>> ParseQualities(const std::string& list) {
  std::vector<double> qualities;
  for (size_t start = 0; start <= list.size();) {
    const size_t comma = std::min(list.find(',', start), list.size());
    const std::string item = list.substr(start, comma - start);
    char* end = nullptr;
    const double quality = std::strtod(item.c_str(), &end);
    if (item.empty() || *end != '\0') return BadSpec("\"" + item + "\" is no quality");
    qualities.push_back(quality);
    start = comma + 1;
  }
  return qualities;
}

std::string ReplaceAll(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// Quality first: the paths may hold anything.
Words Fill(Words words, const std::string& in, const std::string& out, const std::string& quality) {
  for (std::string& word : words) {
    word = ReplaceAll(std::move(word), "{q}", quality);
    std::string filled;
    for (size_t i = 0; i < word.size();) {
      if (word.compare(i, 4, "{in}") == 0) {
        filled += in;
        i += 4;
      } else if (word.compare(i, 5, "{out}") == 0) {
        filled += out;
        i += 5;
      } else {
        filled += word[i++];
      }
    }
    word = filled;
  }
  return words;
}

class WorkFolder {
 public:
  WorkFolder() {
    std::error_code error;
    path_ = (fs::temp_directory_path(error) / "lichen-eval-XXXXXX").string();
    ready_ = !error && mkdtemp(path_.data()) != nullptr;
  }
  ~WorkFolder() {
    std::error_code error;
    if (ready_) fs::remove_all(path_, error);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  Status status() const {
    return ready_ ? Status()
                  : Status(StatusCode::kIoError, path_ + ": cannot be created; set TMPDIR to a writable folder");
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool ready_ = false;
};

Status WriteFile(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::unique_ptr<image_io::OutputFile> file;
  LICHEN_ASSIGN_OR_RETURN(file, image_io::OutputFile::Open(path));
  LICHEN_RETURN_IF_ERROR(file->Write(bytes.data(), bytes.size()));
  return file->Finish();
}

// Size and time of the file that a word of a command names, if it names one: another program, another codec.
std::string Stamp(const std::string& word, bool is_program) {
  const std::string path = is_program ? FindProgram(word) : word;
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error) return "";
  const auto time = fs::last_write_time(path, error);
  if (error) return "";
  return " [" + std::to_string(size) + " " + std::to_string(time.time_since_epoch().count()) + "]";
}

std::string Describe(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string DescribeWithStamps(const Words& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += " '" + words[i] + "'" + Stamp(words[i], i == 0);
  return text;
}

class CustomCodec : public Codec {
 public:
  explicit CustomCodec(CustomSpec spec) : spec_(std::move(spec)) {}

  std::string Name() const override { return spec_.name; }
  std::string Version() const override { return Describe(spec_.encode) + "; " + Describe(spec_.decode); }
  std::string Identity() const override {
    return "custom:" + DescribeWithStamps(spec_.encode) + ";" + DescribeWithStamps(spec_.decode) +
           "; ext=" + spec_.extension;
  }
  std::vector<double> DefaultQualities() const override { return spec_.qualities; }
  std::vector<double> SizeLadder() const override { return spec_.qualities; }
  Status CheckQuality(double) const override { return Status(); }

  Result<std::vector<uint8_t>> Encode(const Image& image, double quality) const override {
    const WorkFolder folder;
    LICHEN_RETURN_IF_ERROR(folder.status());
    const std::string in = folder / "in.png", out = folder / ("out." + spec_.extension);
    image_io::WriteOptions options;
    options.png_level = 0;
    LICHEN_RETURN_IF_ERROR(image_io::WritePicture(image, in, options));
    LICHEN_RETURN_IF_ERROR(RunProgram(Fill(spec_.encode, in, out, FormatQuality(quality))));
    Result<std::vector<uint8_t>> file = image_io::ReadFile(out);
    if (!file.ok()) return Status(StatusCode::kIoError, spec_.encode[0] + " wrote no file to {out}");
    return file;
  }

  Result<Image> Decode(const std::vector<uint8_t>& file) const override {
    const WorkFolder folder;
    LICHEN_RETURN_IF_ERROR(folder.status());
    const std::string in = folder / ("in." + spec_.extension), out = folder / "out.png";
    LICHEN_RETURN_IF_ERROR(WriteFile(in, file));
    LICHEN_RETURN_IF_ERROR(RunProgram(Fill(spec_.decode, in, out, "")));
    Result<Image> image = image_io::ReadPicture(out);
    if (!image.ok()) return image.status().Prefixed(spec_.decode[0] + " wrote no PNG to {out}");
    return image;
  }

 private:
  const CustomSpec spec_;
};

}  // namespace

Result<CustomSpec> ParseCustomSpec(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return BadSpec("no name and colon at the beginning");
  CustomSpec spec;
  for (char c : text.substr(0, colon)) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.') {
      return BadSpec("names are made of letters, digits, '-', '_' and '.'");
    }
    spec.name += c;
  }
  if (spec.name.empty()) return BadSpec("the name is empty");
  std::vector<Words> sections;
  LICHEN_ASSIGN_OR_RETURN(sections, SplitSections(text.substr(colon + 1)));
  if (sections.size() < 3) return BadSpec("a command to encode, one to decode and qualities are needed");
  spec.encode = sections[0];
  spec.decode = sections[1];
  for (const Words* command : {&spec.encode, &spec.decode}) {
    if (!Mentions(*command, "{in}") || !Mentions(*command, "{out}")) return BadSpec("a command lacks {in} or {out}");
  }
  for (size_t i = 2; i < sections.size(); ++i) {
    if (sections[i].empty()) continue;  // after a last semicolon
    const std::string setting = sections[i][0];
    if (sections[i].size() != 1) return BadSpec("\"" + Describe(sections[i]) + "\" is no setting");
    if (setting.compare(0, 2, "q=") == 0) {
      LICHEN_ASSIGN_OR_RETURN(spec.qualities, ParseQualities(setting.substr(2)));
    } else if (setting.compare(0, 4, "ext=") == 0 && setting.find('/') == std::string::npos) {
      spec.extension = setting.substr(4);
    } else {
      return BadSpec("\"" + setting + "\" is no setting");
    }
  }
  if (spec.qualities.empty()) return BadSpec("q= is missing");
  return spec;
}

std::unique_ptr<Codec> MakeCustomCodec(const CustomSpec& spec) { return std::make_unique<CustomCodec>(spec); }

}  // namespace lichen::eval
