//! Hyperparameters of a trial, for the HParams tab.

use super::{EventWriter, metadata, tensor};
use crate::folder::FileError;
use crate::record::trial::now;
use protobuf::Message;
use protobuf::well_known_types::Value as ProtobufValue;
use std::collections::BTreeMap;
use std::io;
use tensorboard_proto::api::Status as SessionStatus;
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::Summary_Value;
use tensorboard_proto::types::DataType;

impl EventWriter {
    /// The hyperparameters of the trial, for TensorBoard's HParams tab, which averages the metrics of a `group`. Lists are
    /// shown as JSON, nulls are left out.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn hparams_start(
        &mut self,
        group: &str,
        hparams: &BTreeMap<String, serde_json::Value>,
    ) -> Result<(), FileError> {
        let mut info = SessionStartInfo::new();
        info.set_group_name(group.to_owned());
        info.set_start_time_secs(now());
        let shown = hparams.iter().filter_map(|(key, value)| Some((key.clone(), hparam(value)?)));
        info.set_hparams(shown.collect());
        let mut data = HParamsPluginData::new();
        data.set_session_start_info(info);
        self.hparams("_hparams_/session_start_info", &data)
    }

    /// The end of the trial, and whether it was a success.
    ///
    /// TensorBoard keeps the first such record of a trial, so it must only be written for a final end: a trial that was
    /// interrupted and may resume has none, and its status is shown as unknown.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn hparams_end(&mut self, success: bool) -> Result<(), FileError> {
        let mut info = SessionEndInfo::new();
        info.set_status(if success { SessionStatus::STATUS_SUCCESS } else { SessionStatus::STATUS_FAILURE });
        info.set_end_time_secs(now());
        let mut data = HParamsPluginData::new();
        data.set_session_end_info(info);
        self.hparams("_hparams_/session_end_info", &data)
    }

    fn hparams(&mut self, tag: &str, data: &HParamsPluginData) -> Result<(), FileError> {
        let content = data.write_to_bytes().map_err(io::Error::from).map_err(FileError::at("write", &self.path))?;
        let mut value = Summary_Value::new();
        value.set_tag(tag.to_owned());
        // Always with metadata, which has the content. The value itself is empty.
        let mut metadata = metadata("hparams", "");
        metadata.mut_plugin_data().set_content(content);
        value.set_metadata(metadata);
        value.set_tensor(tensor(DataType::DT_FLOAT, &[0]));
        self.summary(0, vec![value])
    }
}

fn hparam(value: &serde_json::Value) -> Option<ProtobufValue> {
    let mut hparam = ProtobufValue::new();
    match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(flag) => hparam.set_bool_value(*flag),
        serde_json::Value::Number(number) => hparam.set_number_value(number.as_f64()?),
        serde_json::Value::String(text) => hparam.set_string_value(text.clone()),
        nested => hparam.set_string_value(nested.to_string()),
    }
    Some(hparam)
}
