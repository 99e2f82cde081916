//! Parses texts, actions, control structures and definitions

use super::{Item, Kind, Parsed, Parser, Token, is_empty};
use crate::node::{Branch, Node, Pipe};
use crate::quote::{quote, unquote};

impl Parser<'_> {
    pub(super) fn top(&mut self) -> Parsed<()> {
        let mut root = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let start = self.next;
                self.advance();
                if self.next_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.next = start;
            }
            match self.text_or_action()? {
                Item::Node(node) => root.push(node),
                stop @ (Item::End | Item::Else) => {
                    return self.fail(format!("unexpected {}", stop.shown()));
                }
            }
        }
        self.add(self.name.to_owned(), root)
    }

    fn add(&mut self, name: String, root: Vec<Node>) -> Parsed<()> {
        let is_known = self.trees.get(&name).is_some_and(|known| !is_empty(known));
        if is_known && !is_empty(&root) {
            return self.fail(format!(
                "template: multiple definition of template {}",
                quote(&name)
            ));
        }
        if !is_known {
            self.trees.insert(name, root);
        }
        Ok(())
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        self.named_body(name, CONTEXT)
    }

    /// The body of a `define` or `block`, to its end.
    fn named_body(&mut self, name: String, context: &str) -> Parsed<()> {
        let outer = std::mem::take(&mut self.scope);
        let (root, stop) = self.deeper("max block depth exceeded", Self::item_list)?;
        if let Item::Else = stop {
            return self.fail(format!("unexpected {} in {context}", stop.shown()));
        }
        self.add(name, root)?;
        self.scope = outer;
        Ok(())
    }

    fn item_list(&mut self) -> Parsed<(Vec<Node>, Item)> {
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                stop @ (Item::End | Item::Else) => return Ok((nodes, stop)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text {
                pos: token.pos,
                text: token.text,
            })),
            Kind::LeftDelim => {
                self.scope.action_line = token.line;
                let item = self.action()?;
                self.scope.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => {
                self.loop_exit("{{break}}")?;
                Node::Break { pos: token.pos }
            }
            Kind::Continue => {
                self.loop_exit("{{continue}}")?;
                Node::Continue { pos: token.pos }
            }
            Kind::Else => return self.else_control(),
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::End);
            }
            Kind::If => Node::If(self.branch("if")?),
            Kind::Range => Node::Range(self.branch("range")?),
            Kind::With => Node::With(self.branch("with")?),
            Kind::Template => self.template_call()?,
            _ => {
                self.back();
                let pos = self.peek().pos;
                Node::Action {
                    pos,
                    pipe: self.pipeline("command", Kind::RightDelim)?,
                }
            }
        };
        Ok(Item::Node(node))
    }

    fn loop_exit(&mut self, shown: &str) -> Parsed<()> {
        self.expect(Kind::RightDelim, shown)?;
        if self.scope.range_depth == 0 {
            return self.fail(format!("{shown} outside {{{{range}}}}"));
        }
        Ok(())
    }

    fn else_control(&mut self) -> Parsed<Item> {
        if !matches!(self.peek_non_space().kind, Kind::If | Kind::With) {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(Item::Else)
    }

    fn branch(&mut self, context: &str) -> Parsed<Branch> {
        self.deeper("max block depth exceeded", |parser| {
            let declared = parser.scope.variables.len();
            let pipe = parser.pipeline(context, Kind::RightDelim)?;
            let is_range = context == "range";
            parser.scope.range_depth += usize::from(is_range);
            let (list, stop) = parser.item_list()?;
            parser.scope.range_depth -= usize::from(is_range);
            let otherwise = match stop {
                Item::Else => Some(parser.otherwise(context)?),
                Item::Node(_) | Item::End => None,
            };
            parser.scope.variables.truncate(declared);
            Ok(Branch {
                pos: pipe.pos,
                pipe,
                list,
                otherwise,
            })
        })
    }

    /// What follows an `else`; `else if` and `else with` share the outer `end`.
    fn otherwise(&mut self, context: &str) -> Parsed<Vec<Node>> {
        let kind = self.peek().kind;
        if context == "if" && kind == Kind::If {
            self.advance();
            return Ok(vec![Node::If(self.branch("if")?)]);
        }
        if context == "with" && kind == Kind::With {
            self.advance();
            return Ok(vec![Node::With(self.branch("with")?)]);
        }
        let (list, stop) = self.item_list()?;
        match stop {
            Item::Else => self.fail(format!("expected end; found {}", stop.shown())),
            Item::Node(_) | Item::End => Ok(list),
        }
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        self.named_body(name.clone(), CONTEXT)?;
        Ok(Node::Template {
            pos: token.pos,
            name,
            pipe: Some(pipe),
        })
    }

    fn template_call(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let mut pipe: Option<Pipe> = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.back();
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        }
        Ok(Node::Template {
            pos: token.pos,
            name,
            pipe,
        })
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(token, context);
        }
        match unquote(&token.text) {
            Some(name) => Ok(name),
            None => self.fail("invalid syntax"),
        }
    }
}
