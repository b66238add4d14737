"""CPT in transformers' terms, which has no class for it: a BERT encoder under a shallow BART decoder.

The decoder reads the encoder's layer that lies its own depth below the top, because the layers above are the encoder's
own for understanding (Shao et al., https://arxiv.org/abs/2109.05729). Names of weights are those of fnlp/cpt-*.
"""

import torch
from transformers import BartConfig, BartForConditionalGeneration, BertConfig, BertModel
from transformers.modeling_outputs import BaseModelOutput


class Encoder(BertModel):
    """BERT, answering with the layer that the decoder reads."""

    def __init__(self, config: BertConfig, decoder_layers: int) -> None:
        super().__init__(config, add_pooling_layer=False)
        self.layer_read = -decoder_layers - 1

    @property
    def embed_tokens(self) -> torch.nn.Module:
        """The name that BART knows the embeddings by."""
        return self.embeddings.word_embeddings

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        head_mask=None,  # noqa: ARG002 - BART hands it over
        inputs_embeds=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,  # noqa: ARG002 - BART hands it over
    ):
        given = input_ids if input_ids is not None else inputs_embeds[..., 0]
        found = super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            # CPT was trained with every token in the second segment.
            token_type_ids=torch.ones(given.shape, dtype=torch.long, device=given.device),
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=True,
            return_dict=True,
        )
        return BaseModelOutput(
            last_hidden_state=found.hidden_states[self.layer_read],
            hidden_states=found.hidden_states if output_hidden_states else None,
            attentions=found.attentions,
        )


class CPTForConditionalGeneration(BartForConditionalGeneration):
    """The class that fnlp/cpt-* name in their configuration."""

    _tied_weights_keys = (
        "model.encoder.embeddings.word_embeddings.weight",
        "model.decoder.embed_tokens.weight",
        "lm_head.weight",
    )

    def __init__(self, config: BartConfig) -> None:
        super().__init__(config)
        encoder = BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.d_model,
            num_hidden_layers=config.encoder_layers,
            num_attention_heads=config.encoder_attention_heads,
            intermediate_size=config.encoder_ffn_dim,
            hidden_dropout_prob=config.activation_dropout,
            attention_probs_dropout_prob=config.attention_dropout,
            max_position_embeddings=config.max_position_embeddings,
            pad_token_id=config.pad_token_id,
        )
        self.model.encoder = Encoder(encoder, config.decoder_layers)
        self.model.shared = self.model.encoder.embed_tokens
        self.model.decoder.embed_tokens = self.model.shared
        self.tie_weights()
