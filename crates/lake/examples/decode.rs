//! Judges JSON texts: `decode DIR` takes a folder with one text a file, in the order of their
//! names, and prints `accepted NAME` or `rejected NAME` for each.

use std::error::Error;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;

use affluent_lake::decode::validate;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder] = args.as_slice() else { return Err("usage: decode DIR".into()) };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    let mut out = BufWriter::new(stdout().lock());
    for path in files {
        let verdict = if validate(&std::fs::read(&path)?).is_ok() { "accepted" } else { "rejected" };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(out, "{verdict} {name}")?;
    }
    out.flush()?;
    Ok(())
}
