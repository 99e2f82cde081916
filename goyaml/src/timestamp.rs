//! Recognises the timestamps of go-yaml, as its four time layouts accept them.
//!
//! It matters on both ways: a plain scalar of this form is a timestamp, and a
//! string of this form must be quoted.

/// A recognised timestamp, in the text's own zone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timestamp<'a> {
    year: u32,
    month: u32,
    day: u32,
    /// Hour, minute, second.
    clock: (u32, u32, u32),
    /// Digits after the point, trailing zeros kept.
    fraction: &'a str,
    /// `Z`, `±hh:mm`, or nothing where the layout has no zone.
    zone: &'a str,
}

impl<'a> Timestamp<'a> {
    /// Reads `2006-1-2`, `2006-1-2 15:4:5.9`, `2006-1-2T15:4:5.9Z` or with `t`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut rest = Rest(text);
        if text.bytes().take_while(u8::is_ascii_digit).count() != 4 {
            return None;
        }
        let year = rest.number(4, 4)?;
        rest.eat("-")?;
        let month = rest.number(1, 2)?;
        rest.eat("-")?;
        let day = rest.number(1, 2)?;
        if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
            return None;
        }
        let mut at = Self {
            year,
            month,
            day,
            clock: (0, 0, 0),
            fraction: "",
            zone: "",
        };
        if rest.0.is_empty() {
            return Some(at);
        }
        let zoned = rest.eat("T").or_else(|| rest.eat("t")).is_some();
        if !zoned {
            rest.eat(" ")?;
        }
        let hour = rest.number(1, 2)?;
        rest.eat(":")?;
        let minute = rest.number(1, 2)?;
        rest.eat(":")?;
        let second = rest.number(1, 2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        at.clock = (hour, minute, second);
        if rest.eat(".").or_else(|| rest.eat(",")).is_some() {
            at.fraction = rest.digits()?;
        }
        at.zone = if zoned { rest.zone()? } else { "" };
        rest.0.is_empty().then_some(at)
    }

    /// Writes it as Go marshals a time into JSON (RFC 3339 with nanoseconds).
    pub(crate) fn to_rfc3339(&self) -> String {
        let (hour, minute, second) = self.clock;
        let nanos: String = self.fraction.chars().take(9).collect();
        let nanos = nanos.trim_end_matches('0');
        let point = if nanos.is_empty() { "" } else { "." };
        let zone = match self.zone {
            "" | "+00:00" | "-00:00" => "Z",
            zone => zone,
        };
        format!(
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}{point}{nanos}{zone}",
            self.year, self.month, self.day
        )
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What is left to read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(token)?;
        Some(())
    }

    fn number(&mut self, digits_min: usize, digits_max: usize) -> Option<u32> {
        let found = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let taken = found.min(digits_max);
        if taken < digits_min {
            return None;
        }
        let (number, rest) = self.0.split_at_checked(taken)?;
        self.0 = rest;
        number.parse().ok()
    }

    fn digits(&mut self) -> Option<&'a str> {
        let found = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(found)?;
        self.0 = rest;
        (found > 0).then_some(digits)
    }

    fn zone(&mut self) -> Option<&'a str> {
        let zone = self.0;
        if self.eat("Z").is_some() {
            return Some("Z");
        }
        self.eat("+").or_else(|| self.eat("-"))?;
        let hours = self.number(2, 2)?;
        self.eat(":")?;
        let minutes = self.number(2, 2)?;
        (hours <= 24 && minutes <= 60).then_some(zone)
    }
}
