import NNKitKernelTable

/// The kernels of this module's instruction-set level. Only a processor that has the level may call them.
public func makeKernelTable() -> KernelTable {
  #if NNKIT_AVX512
    let level = InstructionSetLevel.avx512
  #elseif NNKIT_AVX2
    let level = InstructionSetLevel.avx2
  #else
    let level = InstructionSetLevel.baseline
  #endif
  return KernelTable(
    level: level,
    tileRows: tileRows,
    panelColumns: panelColumns,
    fetchesAhead: fetchesAhead,
    rowProduct: rowProduct,
    vectorProduct: vectorProduct,
    columnProduct: columnProduct,
    packPanel: packPanel,
    pairedProduct: pairedProduct,
    balancePairs: balancePairs,
    packPairedRows: packPairedRows,
    winogradInput: winogradInput,
    winogradProducts: winogradProducts,
    winogradOutput: winogradOutput,
    winogradWeights: winogradWeights,
    winogradOutputGradient: winogradOutputGradient,
    winogradKernelGradient: winogradKernelGradient,
    copyPlanes: copyPlanes,
    copyMatrix: copyMatrix,
    depthwiseConvolution: depthwiseConvolution,
    depthwiseWeightGradient: depthwiseWeightGradient,
    activationForward: activationForward,
    activationBackward: activationBackward,
    accumulate: accumulateElements,
    add: addElements,
    multiply: multiplyElements,
    subtract: subtractElements,
    negate: negateElements,
    dropout: dropout,
    randomBits: randomBits,
    columnSum: columnSum,
    sumOfSquares: sumOfSquares,
    maxPool2DForward: maxPool2DForward,
    maxPool2DBackward: maxPool2DBackward,
    averagePool2DForward: averagePool2DForward,
    averagePool2DBackward: averagePool2DBackward,
    globalAveragePoolForward: globalAveragePoolForward,
    globalAveragePoolBackward: globalAveragePoolBackward,
    columnMoments: columnMoments,
    batchNormStatistics: batchNormStatistics,
    batchNormForward: batchNormForward,
    batchNormSums: batchNormSums,
    batchNormParameterGradient: batchNormParameterGradient,
    batchNormBackward: batchNormBackward,
    softmaxForward: softmaxForward,
    softmaxBackward: softmaxBackward,
    softmaxCrossEntropy: softmaxCrossEntropy,
    squaredError: squaredError,
    lstmCellForward: lstmCellForward,
    lstmStepForward: lstmStepForward,
    lstmCellBackward: lstmCellBackward,
    gruGatesForward: gruGatesForward,
    gruCellForward: gruCellForward,
    gruCellBackward: gruCellBackward,
    gruResetBackward: gruResetBackward,
    orthonormalize: orthonormalize,
    projectOut: projectOut,
    sgd: sgd,
    adam: adam
  )
}
