//! Reads the directives of a printf format

use super::value::push_arg;
use crate::value::Value;

/// Widths and precisions above this are refused, as in Go.
const WIDTH_MAX: usize = 1_000_000;

/// Flags, width and precision of a directive.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec {
    pub(super) has_minus: bool,
    pub(super) has_plus: bool,
    pub(super) has_sharp: bool,
    pub(super) has_space: bool,
    pub(super) has_zero: bool,
    /// `%#v`.
    pub(super) is_go_syntax: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl Spec {
    /// Writes the text, filled up to the width.
    pub(super) fn pad(&self, out: &mut String, text: &str) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.has_minus {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else {
            let fill = if self.has_zero { '0' } else { ' ' };
            out.extend(std::iter::repeat_n(fill, missing));
            out.push_str(text);
        }
    }
}

struct Directives<'a> {
    rest: &'a str,
    args: &'a [Value],
    next_arg: usize,
    is_reordered: bool,
    is_good_index: bool,
    out: String,
}

pub(super) fn sprintf(format: &str, args: &[Value], bytes_max: usize) -> String {
    let mut state = Directives {
        rest: format,
        args,
        next_arg: 0,
        is_reordered: false,
        is_good_index: true,
        out: String::new(),
    };
    while let Some((text, after)) = state.rest.split_once('%') {
        state.out.push_str(text);
        state.rest = after;
        state.directive();
        if state.out.len() > bytes_max {
            return state.out;
        }
    }
    state.out.push_str(state.rest);
    if !state.is_reordered {
        state.extra();
    }
    state.out
}

impl Directives<'_> {
    fn accept(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn directive(&mut self) {
        let mut spec = Spec::default();
        self.flags(&mut spec);
        self.is_good_index = true;
        let mut has_index = self.index();
        if self.accept('*') {
            self.width_from_arg(&mut spec);
            has_index = false;
        } else {
            spec.width = self.number();
            if has_index && spec.width.is_some() {
                self.is_good_index = false;
            }
        }
        if self.accept('.') {
            if has_index {
                self.is_good_index = false;
            }
            has_index = self.index();
            if self.accept('*') {
                self.precision_from_arg(&mut spec);
                has_index = false;
            } else {
                spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !has_index {
            self.index();
        }
        self.verb(spec);
    }

    fn flags(&mut self, spec: &mut Spec) {
        loop {
            if self.accept('#') {
                spec.has_sharp = true;
            } else if self.accept('0') {
                spec.has_zero = true;
            } else if self.accept('+') {
                spec.has_plus = true;
            } else if self.accept('-') {
                spec.has_minus = true;
            } else if self.accept(' ') {
                spec.has_space = true;
            } else {
                return;
            }
        }
    }

    fn verb(&mut self, mut spec: Spec) {
        let Some(verb) = self.rest.chars().next() else {
            self.out.push_str("%!(NOVERB)");
            return;
        };
        self.rest = self.rest.get(verb.len_utf8()..).unwrap_or_default();
        if verb == '%' {
            self.out.push('%');
            return;
        }
        if !self.is_good_index {
            self.out.push_str(&format!("%!{verb}(BADINDEX)"));
            return;
        }
        let Some(arg) = self.args.get(self.next_arg) else {
            self.out.push_str(&format!("%!{verb}(MISSING)"));
            return;
        };
        self.next_arg += 1;
        if verb == 'v' {
            spec.is_go_syntax = spec.has_sharp;
            (spec.has_sharp, spec.has_plus) = (false, false);
        }
        push_arg(&mut self.out, arg, verb, &spec);
    }

    fn number(&mut self) -> Option<usize> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = self.rest.split_at_checked(length)?;
        if digits.is_empty() {
            return None;
        }
        self.rest = after;
        let number = digits.parse().ok().filter(|number| *number <= WIDTH_MAX);
        if number.is_none() {
            // Go gives up on the whole format here.
            self.rest = "";
        }
        number
    }

    /// `[3]`: the next argument is the third.
    fn index(&mut self) -> bool {
        let Some(after) = self.rest.strip_prefix('[') else {
            return false;
        };
        self.is_reordered = true;
        let Some((digits, after_index)) = after.split_once(']') else {
            self.is_good_index = false;
            self.rest = after;
            return false;
        };
        self.rest = after_index;
        match digits
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
        {
            Some(place) if place < self.args.len() => {
                self.next_arg = place;
                true
            }
            Some(_) | None => {
                self.is_good_index = false;
                true
            }
        }
    }

    fn int_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next_arg)?;
        self.next_arg += 1;
        match arg {
            Value::Int(number)
                if usize::try_from(number.unsigned_abs()).is_ok_and(|n| n <= WIDTH_MAX) =>
            {
                Some(*number)
            }
            Value::Nil
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Func(_) => None,
        }
    }

    fn width_from_arg(&mut self, spec: &mut Spec) {
        match self.int_arg() {
            Some(width) => {
                spec.has_minus |= width < 0;
                spec.width = usize::try_from(width.unsigned_abs()).ok();
            }
            None => self.out.push_str("%!(BADWIDTH)"),
        }
    }

    fn precision_from_arg(&mut self, spec: &mut Spec) {
        match self.int_arg() {
            Some(precision) if precision >= 0 => spec.precision = usize::try_from(precision).ok(),
            Some(_) | None => self.out.push_str("%!(BADPREC)"),
        }
    }

    fn extra(&mut self) {
        let Some(extra @ [_, ..]) = self.args.get(self.next_arg..) else {
            return;
        };
        let shown = extra.iter().map(|arg| match arg {
            Value::Nil => "<nil>".to_owned(),
            Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Func(_) => format!("{}={}", arg.type_name(), super::plain(arg)),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        self.out.push_str(&format!("%!(EXTRA {shown})"));
    }
}
