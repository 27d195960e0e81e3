//! `export`: the log as lines that prove themselves.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mailtrail::audit::{Begun, ExportForm, ExportOptions, export, export_rest};
use mailtrail::core::Position;
use mailtrail::core::id::Category;

use crate::archive::{self, Output};
use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Exports the log.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file; compressed if its name ends in .zst; - is standard output.
    file: PathBuf,
    /// Its form.
    #[arg(long, value_enum, default_value_t)]
    form: Form,
    /// Only events of these types; of all others the hash alone.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events on streams of these categories; of all others the hash alone.
    #[arg(long = "category", value_name = "CATEGORY")]
    categories: Vec<String>,
    /// Only what comes after this position.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// Leave out the namespace: the export can be verified, not imported.
    #[arg(long)]
    without_namespace: bool,
    /// Go on with an export that was cut off.
    #[arg(long)]
    resume: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Form {
    /// One event a line.
    #[default]
    Lines,
    /// `CloudEvents` 1.0, one a line.
    Cloudevents,
}

impl Export {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let store = &**opened.tracker.store();
        let options = self.options(opened.name())?;
        let bar = output::progress(Some(store.head().await?.position.get()), "exporting");
        let progress = |position: Position| bar.set_position(position.get());
        let (mut out, exported) = if self.resume {
            let begun = begun(&self.file)?;
            let mut out = Output::resume(&self.file, begun.bytes)?;
            let rest = export_rest(store, &options, &begun, &mut out, progress).await?;
            (out, rest)
        } else {
            let mut out = Output::create(&self.file)?;
            let exported = export(store, &options, &mut out, progress).await?;
            (out, exported)
        };
        std::io::Write::flush(&mut out)?;
        out.finish()?;
        bar.finish_and_clear();
        let (head, hash) = (exported.head.position, exported.head.hash);
        output::note(format!(
            "{} records, {} by their hash alone; keep the head elsewhere: {hash}@{head}",
            exported.records, exported.omitted
        ));
        Ok(())
    }

    fn options(&self, name: String) -> Result<ExportOptions, Failure> {
        let mut options = ExportOptions::new(name).after(Position::new(self.after));
        for event_type in &self.types {
            options.filter = options.filter.event_type(event_type.as_str());
        }
        for category in &self.categories {
            options.filter = options.filter.category(Category::new(category)?);
        }
        if self.without_namespace {
            options = options.without_namespace();
        }
        Ok(options.form(match self.form {
            Form::Lines => ExportForm::Lines,
            Form::Cloudevents => ExportForm::CloudEvents,
        }))
    }
}

fn begun(file: &Path) -> Result<Begun, Failure> {
    if file == Path::new("-") || archive::is_compressed(file) {
        return Err(Failure::data("only an export to a plain file can be resumed: begin anew"));
    }
    Ok(Begun::read(archive::read(file)?)?)
}
