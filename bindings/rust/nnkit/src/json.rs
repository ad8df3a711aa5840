//! The library's JSON. Texts come from the library alone, but are trusted with nothing.

use crate::{Error, ErrorKind, Result};

const DEEPEST: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    String(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn fault(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("the library's JSON: {what}"))
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Json> {
        let mut parser = Parser { text, place: 0 };
        let value = parser.value(DEEPEST)?;
        match parser.peek() {
            None => Ok(value),
            Some(_) => Err(parser.fault("more behind its end")),
        }
    }

    /// A member that must be there.
    pub(crate) fn get(&self, name: &str) -> Result<&Json> {
        self.find(name).ok_or_else(|| fault(&format!("there is no member {name:?}")))
    }

    /// A member that may be there.
    pub(crate) fn find(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Result<&[Json]> {
        match self {
            Json::List(values) => Ok(values),
            _ => Err(fault("expected a list")),
        }
    }

    /// A list, each of whose values is read.
    pub(crate) fn map<T>(&self, read: impl FnMut(&Json) -> Result<T>) -> Result<Vec<T>> {
        self.list()?.iter().map(read).collect()
    }

    pub(crate) fn string(&self) -> Result<String> {
        match self {
            Json::String(text) => Ok(text.clone()),
            _ => Err(fault("expected a string")),
        }
    }

    pub(crate) fn integer(&self) -> Result<i64> {
        match self {
            Json::Integer(value) => Ok(*value),
            _ => Err(fault("expected a whole number")),
        }
    }

    pub(crate) fn size(&self) -> Result<usize> {
        usize::try_from(self.integer()?).map_err(|_| fault("expected no negative number"))
    }

    pub(crate) fn truth(&self) -> Result<bool> {
        match self {
            Json::Bool(value) => Ok(*value),
            _ => Err(fault("expected true or false")),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Parser<'a> {
    fn fault(&self, what: &str) -> Error {
        fault(&format!("{what} at byte {}", self.place))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    /// The next character that is no white space; `place` moves to it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.place += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(sign);
        if found {
            self.place += sign.len_utf8();
        }
        found
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.fault(&format!("expected {sign:?}"))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth == 0 {
            return Err(self.fault("it is nested too deeply"));
        }
        match self.peek() {
            Some('{') => self.members(depth - 1),
            Some('[') => self.elements(depth - 1),
            Some('"') => self.string().map(Json::String),
            Some(_) => self.word(),
            None => Err(self.fault("it ends too early")),
        }
    }

    fn members(&mut self, depth: usize) -> Result<Json> {
        let mut members = Vec::new();
        self.expect('{')?;
        while !self.take('}') {
            if !members.is_empty() {
                self.expect(',')?;
                self.peek();
            }
            let name = self.string()?;
            self.expect(':')?;
            members.push((name, self.value(depth)?));
        }
        Ok(Json::Object(members))
    }

    fn elements(&mut self, depth: usize) -> Result<Json> {
        let mut elements = Vec::new();
        self.expect('[')?;
        while !self.take(']') {
            if !elements.is_empty() {
                self.expect(',')?;
            }
            elements.push(self.value(depth)?);
        }
        Ok(Json::List(elements))
    }

    fn word(&mut self) -> Result<Json> {
        let word = self.rest().split(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).next().unwrap_or("");
        let value = match word {
            "null" => Some(Json::Null),
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            word => word.parse().map(Json::Integer).or_else(|_| word.parse().map(Json::Number)).ok(),
        };
        let value = value.ok_or_else(|| self.fault("there is no value"))?;
        self.place += word.len();
        Ok(value)
    }

    fn string(&mut self) -> Result<String> {
        if !self.rest().starts_with('"') {
            return Err(self.fault("expected a string"));
        }
        self.place += 1;
        let mut result = String::new();
        loop {
            let sign = self.next()?;
            match sign {
                '"' => return Ok(result),
                '\\' => result.push(self.escaped()?),
                sign => result.push(sign),
            }
        }
    }

    fn next(&mut self) -> Result<char> {
        let sign = self.rest().chars().next().ok_or_else(|| self.fault("a string does not end"))?;
        self.place += sign.len_utf8();
        Ok(sign)
    }

    fn escaped(&mut self) -> Result<char> {
        Ok(match self.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let mut units = vec![self.unit()?];
                // A character beyond 16 bits comes as two.
                if (0xd800..0xdc00).contains(&units[0]) && self.rest().starts_with("\\u") {
                    self.place += 2;
                    units.push(self.unit()?);
                }
                match char::decode_utf16(units).next() {
                    Some(Ok(sign)) => sign,
                    _ => char::REPLACEMENT_CHARACTER,
                }
            }
            sign @ ('"' | '\\' | '/') => sign,
            _ => return Err(self.fault("an unknown escape")),
        })
    }

    fn unit(&mut self) -> Result<u16> {
        let digits = self.rest().get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = digits.ok_or_else(|| self.fault("expected four hexadecimal digits"))?;
        self.place += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind_are_read() {
        let json =
            Json::parse(r#" {"a":[1,-2,3.5,1e3,true,false,null],"b\"\\\/\n\u00e9\ud83d\ude00":{"c":[]}, "d":{}} "#);
        let json = json.unwrap();
        let expected = [
            Json::Integer(1),
            Json::Integer(-2),
            Json::Number(3.5),
            Json::Number(1e3),
            Json::Bool(true),
            Json::Bool(false),
            Json::Null,
        ];
        assert_eq!(json.get("a").unwrap().list().unwrap(), expected);
        assert_eq!(json.get("b\"\\/\né😀").unwrap().get("c").unwrap(), &Json::List(vec![]));
        assert!(json.find("e").is_none());
        assert_eq!(Json::parse("9223372036854775807").unwrap().integer().unwrap(), i64::MAX);
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        let deep = "[".repeat(1_000_000);
        for text in ["", "{", "[1", "[1 2]", "{\"a\"}", "{\"a\":}", "\"", "\"\\x\"", "\"\\u12\"", "tru", "1 2", &deep] {
            assert_eq!(Json::parse(text).unwrap_err().kind(), ErrorKind::Internal, "{text:.20}");
        }
        assert_eq!(Json::parse(r#""\ud800""#).unwrap(), Json::String("\u{fffd}".to_string()));
    }
}
