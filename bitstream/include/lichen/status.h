// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_STATUS_H_
#define LICHEN_STATUS_H_

// Errors as values. The library never prints, never exits and lets no exception cross its API.

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

#pragma GCC visibility push(default)  // all of it is seen outside a shared library
namespace lichen {

enum class StatusCode {
  kOk,
  kInvalidArgument,     // the caller asked for something that cannot be
  kIoError,             // reading or writing a file failed
  kTruncated,           // the input ends too early
  kDamaged,             // the input contradicts itself: a checksum, a range or a code is wrong
  kUnsupportedVersion,  // well-formed, but of a format version this build does not read
  kUnknownModel,        // the file needs a model that was not found
  kLimitExceeded,       // more pixels, bytes or memory than the caller allowed
  kOutOfMemory,
  kCancelled,  // a progress callback asked to stop
  kInternal    // a mistake in Lichen itself; please report it
};

/// Success, or a code and one sentence a user can act on: the thing, the value found, the value expected, the next
/// step.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  /// The same error with `context`, such as a file name, and ": " in front. No effect on success.
  Status Prefixed(const std::string& context) const { return ok() ? *this : Status(code_, context + ": " + message_); }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

/// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}         // NOLINT: implicit, so that `return value;` works
  Result(Status status) : state_(std::move(status)) {}  // NOLINT: likewise for errors

  bool ok() const { return std::holds_alternative<T>(state_); }
  /// Ok when there is a value.
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

  /// REQUIRES: ok()
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace lichen
#pragma GCC visibility pop

/// Returns from the enclosing function when `expression`, a Status, is an error.
#define LICHEN_RETURN_IF_ERROR(expression)           \
  do {                                               \
    ::lichen::Status lichen_status_ = (expression);  \
    if (!lichen_status_.ok()) return lichen_status_; \
  } while (0)

#define LICHEN_CONCAT_INNER_(a, b) a##b
#define LICHEN_CONCAT_(a, b) LICHEN_CONCAT_INNER_(a, b)

/// Declares or assigns `target` from a Result, or returns its error from the enclosing function.
#define LICHEN_ASSIGN_OR_RETURN(target, expression) \
  LICHEN_ASSIGN_OR_RETURN_(LICHEN_CONCAT_(lichen_result_, __LINE__), target, expression)
#define LICHEN_ASSIGN_OR_RETURN_(result, target, expression) \
  auto result = (expression);                                \
  if (!result.ok()) return result.status();                  \
  target = std::move(result).value()

#endif  // LICHEN_STATUS_H_
