//! What a model is made of.

use crate::json::Json;
use crate::{DType, Error, ErrorKind, Result};
use std::fmt;

/// What a model is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// What a run reads, in order.
    pub inputs: Vec<PortInfo>,
    /// What a run writes, in order.
    pub outputs: Vec<PortInfo>,
    /// The layers, in an order in which they can be computed.
    pub layers: Vec<LayerInfo>,
    /// The parameters, in the order in which they lie in memory.
    pub parameters: Vec<ParameterInfo>,
    /// How many numbers they have together.
    pub parameter_count: usize,
    /// Where all random numbers come from.
    pub seed: u64,
}

/// An input or an output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortInfo {
    /// Its name.
    pub name: String,
    /// What its elements are.
    pub dtype: DType,
    /// Its shape without the batch; a time dimension that is open is [`OPEN`](crate::OPEN).
    pub shape: Vec<i64>,
    /// The shape that [`Session::step`](crate::Session::step) takes or gives, without the number of streams; `None`
    /// where the model cannot be streamed.
    pub step_shape: Option<Vec<i64>>,
    /// Of an output whose shape is open: the name of the input that has the same open dimensions.
    pub open_as: Option<String>,
}

/// A layer of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerInfo {
    /// Its name, unique in the model.
    pub name: String,
    /// The library's name for its kind, such as "conv2d".
    pub kind: String,
    /// Its options, as they were given or are by default.
    pub options: String,
    /// The layers or inputs that it reads, by name.
    pub inputs: Vec<String>,
    /// Its output's shape without the batch.
    pub output_shape: Vec<i64>,
    /// How many numbers its parameters have.
    pub parameters: usize,
}

/// A parameter of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterInfo {
    /// Its name, such as "dense/kernel".
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where it begins among all parameters, in elements.
    pub offset: usize,
    /// How many elements it has.
    pub count: usize,
    /// Whether gradients change it; running statistics follow the data instead.
    pub trainable: bool,
}

impl ModelInfo {
    pub(crate) fn parse(text: &str) -> Result<ModelInfo> {
        let json = Json::parse(text)?;
        Ok(ModelInfo {
            inputs: json.get("inputs")?.map(PortInfo::read)?,
            outputs: json.get("outputs")?.map(PortInfo::read)?,
            layers: json.get("layers")?.map(LayerInfo::read)?,
            parameters: json.get("parameters")?.map(ParameterInfo::read)?,
            parameter_count: json.get("parameter_count")?.size()?,
            seed: json.get("seed")?.size()? as u64,
        })
    }
}

fn shape(json: &Json) -> Result<Vec<i64>> {
    json.map(Json::integer)
}

impl PortInfo {
    fn read(json: &Json) -> Result<PortInfo> {
        let dtype = match json.get("dtype")?.string()?.as_str() {
            "float32" => DType::F32,
            "int32" => DType::I32,
            "int64" => DType::I64,
            other => return Err(Error::new(ErrorKind::Internal, format!("the element type {other:?} is unknown"))),
        };
        Ok(PortInfo {
            name: json.get("name")?.string()?,
            dtype,
            shape: shape(json.get("shape")?)?,
            step_shape: json.find("step_shape").map(shape).transpose()?,
            open_as: json.find("open_as").map(Json::string).transpose()?,
        })
    }
}

impl LayerInfo {
    fn read(json: &Json) -> Result<LayerInfo> {
        Ok(LayerInfo {
            name: json.get("name")?.string()?,
            kind: json.get("kind")?.string()?,
            options: json.get("options")?.string()?,
            inputs: json.get("inputs")?.map(Json::string)?,
            output_shape: shape(json.get("output_shape")?)?,
            parameters: json.get("parameters")?.size()?,
        })
    }
}

impl ParameterInfo {
    fn read(json: &Json) -> Result<ParameterInfo> {
        Ok(ParameterInfo {
            name: json.get("name")?.string()?,
            shape: json.get("shape")?.map(Json::size)?,
            offset: json.get("offset")?.size()?,
            count: json.get("count")?.size()?,
            trainable: json.get("trainable")?.truth()?,
        })
    }
}

/// A table of the layers.
impl fmt::Display for ModelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |shape: &[i64]| {
            let size = |size: &i64| if *size < 0 { "T".to_string() } else { size.to_string() };
            let sizes: Vec<_> = shape.iter().map(size).collect();
            format!("[{}]", sizes.join(", "))
        };
        let mut rows = vec![["layer", "kind", "output", "parameters"].map(str::to_string)];
        rows.extend(
            self.inputs.iter().map(|each| [each.name.clone(), "input".to_string(), shown(&each.shape), String::new()]),
        );
        rows.extend(self.layers.iter().map(|each| {
            [each.name.clone(), each.kind.clone(), shown(&each.output_shape), each.parameters.to_string()]
        }));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [name, kind, output] = [width(0), width(1), width(2)];
        for row in &rows {
            writeln!(f, "{:name$}  {:kind$}  {:output$}  {:>10}", row[0], row[1], row[2], row[3])?;
        }
        write!(f, "{} parameters", self.parameter_count)
    }
}
