//! Evaluates pipelines, commands, fields and calls
//!
//! Where the tree is marked before an error matters: Go's error texts name the
//! node that was marked last.

use super::{Held, MissingKey, Ran, Run, Spot};
use crate::builtin;
use crate::compare;
use crate::format;
use crate::funcs::{Arity, Function, Param};
use crate::node::{Command, Number, Operand, Pipe, Term};
use crate::quote::quote;
use crate::value::Value;

impl<'t> Run<'t> {
    /// The value of a pipeline, stored where its declaration says.
    pub(super) fn pipeline(&mut self, dot: &Held, pipe: &'t Pipe) -> Ran<Value> {
        self.at(Spot::Pipe(pipe));
        let value = self.deeper(|run| {
            let mut last = None;
            for command in &pipe.commands {
                run.step(1)?;
                last = Some(run.command(dot, command, last)?.value);
            }
            Ok(last.unwrap_or_default())
        })?;
        for name in &pipe.variables {
            let held = Held::plain(value.clone());
            if pipe.is_assign {
                self.assign(name, &held)?;
            } else {
                self.variables.push((name.as_str(), held));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Held, command: &'t Command, last: Option<Value>) -> Ran<Held> {
        let first = &command.first;
        let has_args = !command.args.is_empty() || last.is_some();
        match &first.term {
            Term::Field(fields) => {
                self.at(Spot::Operand(first));
                self.fields(dot.clone(), fields, has_args)
            }
            Term::Chain(operand, fields) => self.chain(dot, first, operand, fields, has_args),
            Term::Identifier(name) => {
                self.at(Spot::Operand(first));
                self.call(dot, Spot::Command(command), name, &command.args, last)
            }
            Term::Pipe(pipe) => {
                self.no_args(first, has_args)?;
                Ok(Held::plain(self.pipeline(dot, pipe)?))
            }
            Term::Variable(name, fields) => self.variable(first, name, fields, has_args),
            Term::Dot | Term::Nil | Term::Bool(_) | Term::Number(_) | Term::String { .. } => {
                self.at(Spot::Operand(first));
                self.no_args(first, has_args)?;
                if let Term::Nil = first.term {
                    return self.fail("nil is not a command");
                }
                self.arg(dot, Param::Any, first)
            }
        }
    }

    fn no_args(&self, first: &Operand, has_args: bool) -> Ran<()> {
        if has_args {
            return self.fail(format!("can't give argument to non-function {first}"));
        }
        Ok(())
    }

    fn chain(
        &mut self,
        dot: &Held,
        whole: &'t Operand,
        operand: &'t Operand,
        fields: &'t [String],
        has_args: bool,
    ) -> Ran<Held> {
        self.at(Spot::Operand(whole));
        let receiver = self.arg(dot, Param::Any, operand)?;
        self.fields(receiver, fields, has_args)
    }

    fn variable(
        &mut self,
        node: &'t Operand,
        name: &str,
        fields: &'t [String],
        has_args: bool,
    ) -> Ran<Held> {
        self.at(Spot::Operand(node));
        let Some(held) = self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, held)| held.clone())
        else {
            return self.fail(format!("undefined variable: {name}"));
        };
        if fields.is_empty() {
            self.no_args(node, has_args)?;
            return Ok(held);
        }
        self.fields(held, fields, has_args)
    }

    /// `.a.b.c` of a value; arguments belong to the last and only a method,
    /// which nothing has, could take them.
    fn fields(&mut self, receiver: Held, fields: &'t [String], has_args: bool) -> Ran<Held> {
        let mut held = receiver;
        for (place, field) in fields.iter().enumerate() {
            held = self.field(&held, field, has_args && place + 1 == fields.len())?;
        }
        Ok(held)
    }

    fn field(&mut self, receiver: &Held, field: &str, has_args: bool) -> Ran<Held> {
        let type_name = if receiver.is_boxed {
            "interface {}"
        } else {
            receiver.value.type_name()
        };
        match &receiver.value {
            Value::Nil if receiver.is_boxed => {
                self.fail(format!("nil pointer evaluating {type_name}.{field}"))
            }
            Value::Nil => match self.missing_key() {
                MissingKey::Error => {
                    self.fail(format!("nil data; no entry for key {}", quote(field)))
                }
                MissingKey::Default | MissingKey::Zero => Ok(Held::plain(Value::Nil)),
            },
            Value::Map(_) if has_args => {
                self.fail(format!("{field} is not a method but has arguments"))
            }
            Value::Map(map) => match (map.entries.get(field), self.missing_key()) {
                (Some(value), _) => Ok(Held {
                    value: value.clone(),
                    is_boxed: !map.is_of_strings,
                }),
                (None, MissingKey::Error) => {
                    self.fail(format!("map has no entry for key {}", quote(field)))
                }
                (None, MissingKey::Default) => Ok(Held::plain(Value::Nil)),
                (None, MissingKey::Zero) if map.is_of_strings => Ok(Held::plain(Value::from(""))),
                (None, MissingKey::Zero) => Ok(Held::boxed(Value::Nil)),
            },
            Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Func(_) => {
                self.fail(format!("can't evaluate field {field} in type {type_name}"))
            }
        }
    }

    /// An argument, evaluated and fit for a parameter of this type.
    fn arg(&mut self, dot: &Held, param: Param, operand: &'t Operand) -> Ran<Held> {
        self.at(Spot::Operand(operand));
        let held = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil if param == Param::Any => return Ok(Held::boxed(Value::Nil)),
            Term::Nil => return self.fail(format!("cannot assign nil to {}", param.name())),
            Term::Field(fields) => self.fields(dot.clone(), fields, false)?,
            Term::Variable(name, fields) => self.variable(operand, name, fields, false)?,
            Term::Pipe(pipe) => Held::plain(self.pipeline(dot, pipe)?),
            Term::Identifier(name) => self.call(dot, Spot::Operand(operand), name, &[], None)?,
            Term::Chain(inner, fields) => self.chain(dot, operand, inner, fields, false)?,
            Term::Bool(value) if matches!(param, Param::Any | Param::Bool) => {
                Held::plain(Value::Bool(*value))
            }
            Term::String { quoted: _, text } if matches!(param, Param::Any | Param::String) => {
                Held::plain(Value::from(text.as_str()))
            }
            Term::Number(number) => return self.number(param, number),
            Term::Bool(_) | Term::String { .. } => {
                return self.wrong_constant(param, &operand.to_string());
            }
        };
        self.validate(held, param)
    }

    fn wrong_constant<T>(&self, param: Param, shown: &str) -> Ran<T> {
        let expected = match param {
            Param::Any | Param::String => "string",
            Param::Int => "integer",
            Param::Float => "float",
            Param::Bool => "bool",
        };
        self.fail(format!("expected {expected}; found {shown}"))
    }

    fn number(&self, param: Param, number: &Number) -> Ran<Held> {
        let value = match (param, number.int, number.float) {
            (Param::Any, _, Some(float)) if number.is_float => Value::Float(float),
            (Param::Any | Param::Int, Some(int), _) => Value::Int(int),
            (Param::Any, None, _) => return self.fail(format!("{} overflows int", number.text)),
            (Param::Float, _, Some(float)) => Value::Float(float),
            (Param::Int | Param::Float | Param::String | Param::Bool, ..) => {
                return self.wrong_constant(param, &number.text);
            }
        };
        Ok(Held::plain(value))
    }

    fn validate(&self, held: Held, param: Param) -> Ran<Held> {
        if param.takes(&held.value) {
            return Ok(held);
        }
        if matches!(held.value, Value::Nil) && !held.is_boxed {
            return self.fail(format!("invalid value; expected {}", param.name()));
        }
        let given = if matches!(held.value, Value::Nil) {
            "interface {}"
        } else {
            held.value.type_name()
        };
        self.fail(format!(
            "wrong type for value; expected {}; got {given}",
            param.name()
        ))
    }

    /// Calls a function by name with its arguments and the value piped into it.
    fn call(
        &mut self,
        dot: &Held,
        node: Spot<'t>,
        name: &str,
        args: &'t [Operand],
        last: Option<Value>,
    ) -> Ran<Held> {
        let template = self.template;
        let own = template.funcs.get(name);
        let Some(arity) = own
            .map(|function| (*function.arity).clone())
            .or_else(|| builtin::arity(name))
        else {
            return self.fail(format!("{} is not a defined function", quote(name)));
        };
        self.check_count(name, &arity, args.len(), last.is_some())?;
        if own.is_none() && matches!(name, "and" | "or") {
            return self.short_circuit(dot, name == "or", args, last);
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        for (place, arg) in args.iter().enumerate() {
            values.push(self.arg(dot, arity.param(place), arg)?.value);
        }
        if let Some(last) = last {
            let param = arity.param(values.len());
            values.push(self.validate(Held::plain(last), param)?.value);
        }
        let limit = self.options.limits.output_bytes_max;
        let result = match own {
            Some(function) => (function.body)(&values),
            None if name == "call" => call_value(args.first(), &values),
            None => builtin::call(name, &values, limit),
        };
        match result {
            Ok(value) => {
                self.pay_for(format::text_length(&value))?;
                Ok(Held::plain(value))
            }
            Err(message) => {
                self.at(node);
                self.fail(format!("error calling {name}: {message}"))
            }
        }
    }

    fn check_count(&self, name: &str, arity: &Arity, args: usize, has_last: bool) -> Ran<()> {
        let (given, wanted) = (args + usize::from(has_last), arity.fixed.len());
        if arity.variadic.is_none() && given != wanted {
            return self.fail(format!(
                "wrong number of args for {name}: want {wanted} got {given}"
            ));
        }
        if given < wanted {
            return self.fail(format!(
                "wrong number of args for {name}: want at least {wanted} got {args}"
            ));
        }
        Ok(())
    }

    /// `and` and `or` stop at the first argument that decides.
    fn short_circuit(
        &mut self,
        dot: &Held,
        is_or: bool,
        args: &'t [Operand],
        last: Option<Value>,
    ) -> Ran<Held> {
        let mut value = Value::Nil;
        for arg in args {
            value = self.arg(dot, Param::Any, arg)?.value;
            if value.is_true() == is_or {
                return Ok(Held::plain(value));
            }
        }
        Ok(Held::plain(last.unwrap_or(value)))
    }
}

/// The builtin `call`: its first argument is the function.
fn call_value(callee: Option<&Operand>, values: &[Value]) -> Result<Value, String> {
    let shown = callee.map_or_else(|| "function".to_owned(), ToString::to_string);
    let Some((function, args)) = values.split_first() else {
        return Err("call of nil".to_owned());
    };
    match function {
        Value::Nil => Err("call of nil".to_owned()),
        Value::Func(function) => call_function(&shown, function, args),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::List(_)
        | Value::Map(_) => Err(format!(
            "non-function {shown} of type {}",
            function.type_name()
        )),
    }
}

fn call_function(shown: &str, function: &Function, args: &[Value]) -> Result<Value, String> {
    let (wanted, given) = (function.arity.fixed.len(), args.len());
    if function.arity.variadic.is_none() && given != wanted {
        return Err(format!(
            "wrong number of args for {shown}: got {given} want {wanted}"
        ));
    }
    if given < wanted {
        return Err(format!(
            "wrong number of args for {shown}: got {given} want at least {wanted}"
        ));
    }
    for (place, value) in args.iter().enumerate() {
        let param = function.arity.param(place);
        if !param.takes(value) {
            return Err(compare::wrong_arg(place, value, param.name()));
        }
    }
    (function.body)(args)
}
