//! A place in a JSON text, and the grammar around it: white space, literals, brackets, and the
//! walk past values that nobody asked for, which uses no recursion.

use super::scan::Fault;

/// The text of one message and how far it was read.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    /// Whether unknown names are worth a second look.
    pub(super) curious: bool,
    /// Set by a look at an unknown name whose value tells of a type.
    pub(super) unknown: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, curious: false, unknown: false }
    }

    /// The byte at the cursor; 0 at the end, which no grammar rule takes either.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    pub(super) fn ended(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Passes white space and returns the byte after it.
    #[inline]
    pub(super) fn space(&mut self) -> u8 {
        let byte = self.peek();
        if byte > b' ' { byte } else { self.more_space() }
    }

    #[inline(never)]
    fn more_space(&mut self) -> u8 {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.peek()
    }

    #[inline]
    pub(super) fn colon(&mut self) -> Result<(), Fault> {
        if self.space() != b':' {
            return Err(Fault::Colon);
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// After an opening bracket: true, and past the closing one, if nothing is between them.
    #[inline]
    pub(super) fn closes(&mut self, close: u8) -> bool {
        let closes = self.space() == close;
        self.at += closes as usize;
        closes
    }

    /// After a member or an item: true if another follows, at its first byte; false past the end.
    #[inline]
    pub(super) fn another(&mut self, close: u8) -> Result<bool, Fault> {
        let byte = self.space();
        if byte == b',' {
            self.at += 1;
            self.space();
            return Ok(true);
        }
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        Err(Fault::Comma)
    }

    pub(super) fn literal(&mut self, literal: &[u8]) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(literal) {
            return Err(Fault::Value);
        }
        self.at += literal.len();
        Ok(())
    }

    /// Passes the value at the cursor.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        match self.peek() {
            b'{' | b'[' => self.skip_nested(),
            _ => self.skip_scalar(),
        }
    }

    fn skip_scalar(&mut self) -> Result<(), Fault> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => Err(Fault::Value),
        }
    }

    /// Passes the name at the cursor and its colon.
    fn skip_name(&mut self) -> Result<(), Fault> {
        if self.space() != b'"' {
            return Err(Fault::Name);
        }
        self.string()?;
        self.colon()
    }

    fn skip_nested(&mut self) -> Result<(), Fault> {
        let mut nest = Nest::default();
        loop {
            match self.space() {
                b'{' => {
                    self.at += 1;
                    if !self.closes(b'}') {
                        nest.push(true);
                        self.skip_name()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    if !self.closes(b']') {
                        nest.push(false);
                        continue;
                    }
                }
                _ => self.skip_scalar()?,
            }
            loop {
                let Some(object) = nest.top() else { return Ok(()) };
                if self.another(if object { b'}' } else { b']' })? {
                    if object {
                        self.skip_name()?;
                    }
                    break;
                }
                nest.pop();
            }
        }
    }

    /// Reads one value and the white space around it, up to the end of the text.
    pub(super) fn whole(&mut self) -> Result<(), Fault> {
        self.space();
        self.skip()?;
        self.end()
    }

    #[inline]
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.ended() { Ok(()) } else { Err(Fault::Trailing) }
    }
}

/// The open brackets, one bit each (set for an object), so depth costs next to no memory.
#[derive(Default)]
struct Nest {
    bits: u64,
    depth: usize,
    outer: Vec<u64>,
}

impl Nest {
    fn push(&mut self, object: bool) {
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | object as u64;
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }

    fn top(&self) -> Option<bool> {
        (self.depth != 0).then_some(self.bits & 1 == 1)
    }
}
